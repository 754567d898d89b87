"""Predicted labels as a csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from ...errors import InputError, Problem
from ...files import atomic_write
from .inputs import Found
from .work import Window

#: The column of the predictions.
LABEL: Final = "label"


class Labels:
    """A csv with a row for every picture, in their order: ``filename,label``, or the rows of the csv that named them.

    A picture that cannot be read keeps the label of its row in the csv, or gets none.

    Args:
        found: what is predicted.
        out: the csv, or the folder for ``predictions.csv``.
        class_names: by index.
        scores: add a column of probabilities for each class.

    Raises:
        InputError: two pictures have one name, or the csv is the input.
    """

    def __init__(self, found: Found, out: Path, class_names: Sequence[str], *, scores: bool) -> None:
        table = found.table
        is_file = out.suffix.lower() == ".csv" and not out.is_dir()
        self.path = out if is_file else out / "predictions.csv"
        self.failures = self.path.with_name(f"{out.stem}_failures.csv" if is_file else "failures.csv")
        names = [str(name) for name in class_names]
        if table is not None:
            columns, self._rows = list(table.columns), table.rows
        else:
            columns, self._rows = ["filename"], [{"filename": picture.name} for picture in found.pictures]
            _refuse_double(row["filename"] for row in self._rows)
        if LABEL not in columns:
            columns.append(LABEL)
        if table is not None and table.path.resolve() == self.path.resolve():
            raise InputError.of(str(self.path), "is the input, which would be overwritten", "name another --out")
        if scores and (taken := [name for name in names if name in columns]):
            message = f"is a class and a column, so that its probabilities have no column: {', '.join(taken)}"
            raise InputError.of("--scores", message, "rename the csv's column")
        self._names, self._scores = names, scores
        self._ready: dict[int, dict[str, Any]] = {}
        self._next = 0
        self._open = ExitStack()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._open.enter_context(atomic_write(self.path))
        self._csv = csv.DictWriter(file, [*columns, *(names if scores else ())], restval="", lineterminator="\n")
        self._csv.writeheader()

    def windows(self, index: int, sample: dict[str, Any]) -> Iterator[Window]:
        """The image, whole."""
        yield Window(sample["image"], (0, 0), 1.0, _Labelled(index, self))

    def failed(self, index: int) -> None:
        """A row without a prediction."""
        self._put(index, {})

    def told(self, index: int, probabilities: Tensor) -> None:
        """A row with one."""
        values = probabilities.tolist()
        row = {LABEL: self._names[int(probabilities.argmax())]}
        self._put(
            index, row | (dict(zip(self._names, (f"{v:.6g}" for v in values), strict=True)) if self._scores else {})
        )

    def _put(self, index: int, row: dict[str, Any]) -> None:
        # Pictures of one size are predicted together, so that rows come a little out of order.
        self._ready[index] = self._rows[index] | row
        while self._next in self._ready:
            self._csv.writerow(self._ready.pop(self._next))
            self._next += 1

    def close(self, *, abandon: bool = False) -> None:
        """Move the csv into its place."""
        if not abandon:
            self._open.close()
            return
        stopped = InterruptedError()
        self._open.__exit__(type(stopped), stopped, None)


@dataclass(frozen=True)
class _Labelled:
    index: int
    labels: Labels

    def take(self, _place: tuple[int, int], probabilities: Tensor) -> None:
        self.labels.told(self.index, probabilities)


def _refuse_double(names: Iterable[str]) -> None:
    seen: set[str] = set()
    double = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if double:
        hint = "predict them into tables of their own, or name the folder above them with --recursive"
        raise InputError(Problem(name, "is the name of two pictures of one table", hint) for name in double[:10])
