"""Predicted labels as a csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from torch import Tensor

from ...errors import InputError, Problem
from ...files import atomic_write
from .inputs import Inputs, Settings
from .tiles import Tile

#: The column of the predictions.
LABEL: Final = "label"


class Labels:
    """A csv with a row for each image, in their order: ``filename,label``, or the rows of the csv that named them.

    An image that cannot be read keeps the label of its row in the csv, or gets none.

    Args:
        found: what is predicted.
        settings: ``out`` is the csv, or the folder for ``predictions.csv``; and ``scores``.
        class_names: by index.

    Raises:
        InputError: two images have one name, or the csv is the input.
    """

    def __init__(self, found: Inputs, settings: Settings, class_names: Sequence[str]) -> None:
        table, out, scores = found.table, settings.out, settings.scores
        is_file = out.suffix.lower() == ".csv" and not out.is_dir()
        self.path = out if is_file else out / "predictions.csv"
        self.failures = self.path.with_name(f"{out.stem}_failures.csv" if is_file else "failures.csv")
        names = [str(name) for name in class_names]
        if table is not None:
            columns = list(table.columns)
            self._rows = [dict(zip(columns, cells, strict=True)) for _, cells in table.rows]
        else:
            columns, self._rows = ["filename"], [{"filename": image.name} for image in found.images]
            _refuse_double(row["filename"] for row in self._rows)
        if LABEL not in columns:
            columns.append(LABEL)
        if table is not None and table.path.resolve() == self.path.resolve():
            raise InputError.of(str(self.path), "is the input, which would be overwritten", "name another --out")
        if scores and (taken := [name for name in names if name in columns]):
            message = f"would add columns that the csv has already: {', '.join(taken)}"
            raise InputError.of("--scores", message, "rename the columns of the csv")
        self._names, self._scores = names, scores
        self._ready: dict[int, dict[str, Any]] = {}
        self._next = 0
        self._open = ExitStack()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._open.enter_context(atomic_write(self.path))
        self._csv = csv.DictWriter(file, [*columns, *(names if scores else ())], restval="", lineterminator="\n")
        self._csv.writeheader()

    def tiles(self, index: int, sample: dict[str, Any]) -> Iterator[Tile]:
        """The image, whole."""
        yield Tile(sample["image"], (0, 0), 1.0, partial(self._add, index))

    def add_unreadable(self, index: int) -> None:
        """A row without a prediction."""
        self._put(index, {})

    def _add(self, index: int, _position: tuple[int, int], probabilities: Tensor) -> None:
        row = {LABEL: self._names[int(probabilities.argmax())]}
        if self._scores:
            row |= {name: f"{value:.6g}" for name, value in zip(self._names, probabilities.tolist(), strict=True)}
        self._put(index, row)

    def _put(self, index: int, row: dict[str, Any]) -> None:
        # Images of one size are predicted together, so rows arrive slightly out of order.
        self._ready[index] = self._rows[index] | row
        while self._next in self._ready:
            self._csv.writerow(self._ready.pop(self._next))
            self._next += 1

    def __enter__(self) -> Labels:
        return self

    def __exit__(self, *error: Any) -> None:
        """Move the csv to its final name; after an exception, delete it."""
        self._open.__exit__(*error)


def _refuse_double(names: Iterable[str]) -> None:
    seen: set[str] = set()
    double = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if double:
        hint = "predict them into separate tables, or name the folder above them with --recursive"
        raise InputError(Problem(name, "is the name of two images of one table", hint) for name in double[:10])
