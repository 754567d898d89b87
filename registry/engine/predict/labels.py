"""Predicted labels as a csv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from ...errors import InputError, Problem
from ...files import atomic_write
from ..data.labels import SEPARATOR
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
        threshold: the probability from which an image has a class, where it may have several; None where it has one.

    Raises:
        InputError: two images have one name, or the csv is the input.
    """

    def __init__(
        self, found: Inputs, settings: Settings, class_names: Sequence[str], threshold: float | None = None
    ) -> None:
        self._threshold = threshold
        table, out = found.table, settings.out
        is_file = out.suffix.lower() == ".csv" and not out.is_dir()
        self.path = out if is_file else out / "predictions.csv"
        self.failures = self.path.with_name(f"{out.stem}_failures.csv" if is_file else "failures.csv")
        self._names = [str(name) for name in class_names]
        self._scores = self._names if settings.scores else []
        columns = ["filename"] if table is None else list(table.columns)
        if table is None:
            names = Counter(image.name for image in found.images)
            if double := [name for name, times in names.items() if times > 1]:
                hint = "predict them into separate tables, or name the folder above them with --recursive"
                problem = "is the name of several images of one table"
                raise InputError(Problem(name, problem, hint) for name in double[:10])
            self._rows = [{"filename": name} for name in names]
        elif table.path.resolve() == self.path.resolve():
            raise InputError.of(str(self.path), "is the input, which would be overwritten", "name another --out")
        else:
            self._rows = [dict(zip(columns, cells, strict=True)) for _, cells in table.rows]
        columns += [] if LABEL in columns else [LABEL]
        if taken := [name for name in self._scores if name in columns]:
            message = f"would add columns that the csv already has: {', '.join(taken)}"
            raise InputError.of("--scores", message, "rename the columns of the csv")
        self._ready: dict[int, dict[str, Any]] = {}
        self._next = 0
        self._open = ExitStack()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._open.enter_context(atomic_write(self.path))
        self._csv = csv.DictWriter(file, [*columns, *self._scores], restval="", lineterminator="\n")
        self._csv.writeheader()

    def tiles(self, index: int, sample: dict[str, Any]) -> Iterator[Tile]:
        """The image, whole."""
        yield Tile(sample["image"], (0, 0), 1.0, partial(self._add, index))

    def add_unreadable(self, index: int) -> None:
        """A row without a prediction."""
        self._put(index, {})

    def merge(self, parts: Iterable[Path]) -> None:
        """Take the rows of tables that were predicted part by part, in order."""
        for part in parts:
            with part.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                self._csv.writerows(csv.DictReader(file))

    def kept(self) -> str:
        """What is left of a prediction that was interrupted."""
        return "nothing was written"

    def _add(self, index: int, _position: tuple[int, int], probabilities: Tensor) -> None:
        scores = {name: f"{value:.6g}" for name, value in zip(self._scores, probabilities.tolist(), strict=False)}
        label = self._names[int(probabilities.argmax())]
        if self._threshold is not None:
            has = (probabilities >= self._threshold).tolist()
            label = SEPARATOR.join(name for name, own in zip(self._names, has, strict=True) if own)
        self._put(index, {LABEL: label, **scores})

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
