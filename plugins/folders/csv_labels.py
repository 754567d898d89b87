"""Images in folders, with a csv file of their classes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from registry import InputError, Problem
from registry.engine import IMAGE_COLUMNS, LABEL_COLUMNS, LabelTable, images_in, read_label_table

from .labelled import Found, LabelledFiles

#: The text of a label that is not known.
UNLABELLED = "None"


class CsvLabels(LabelledFiles):
    """Classification data: ``ROOT/train/*.jpg`` with ``ROOT/train.csv``, and the same for ``val``.

    A label is a word or a number; ``None`` marks an image whose class is not known. The classes are the labels of the
    training split, in the order of ``in_class_order``; without any label, the data have no classes. A row that is
    repeated counts as one image.

    Args:
        root: the folder to which the others are relative.
        train: the training images' folder and their csv file.
        val: those of the evaluation split; None for none.
        filename_column: None to look for one of ``IMAGE_COLUMNS``.
        label_column: None to look for one of ``LABEL_COLUMNS``.

    Raises:
        InputError: a csv file cannot be read or has no such column, a row has no label or names a missing file, two
            rows contradict each other, or the evaluation split has a class that the training split lacks; every such
            problem at once, with its line.
    """

    def __init__(
        self,
        root: Path,
        train: tuple[str, str] = ("train", "train.csv"),
        val: tuple[str, str] | None = ("val", "val.csv"),
        filename_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        problems: list[Problem] = []
        columns = (filename_column, label_column)
        learned, held_out = (
            None if split is None else _found(Path(root) / split[0], Path(root) / split[1], columns, problems)
            for split in (train, val)
        )
        super().__init__(learned or [], held_out, problems)


class Pictures:
    """A folder in which the files of a table are looked up.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | None:
        """The file of that name; where there is none, the only image that has it as its stem."""
        file = self.folder / name
        if file.is_file():
            return file
        same = self._by_stem.get(name, [])
        return same[0] if len(same) == 1 else None

    @cached_property
    def examples(self) -> str:
        """A few of the images in it, for a hint."""
        names = [files[0].name for files in self._by_stem.values()]
        return f"its images are {', '.join(names[:3])}{', ...' * (len(names) > 3)}" if names else "it has no images"

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in images_in(self.folder):
            found.setdefault(file.stem, []).append(file)
        return found


def _found(
    folder: Path, path: Path, columns: tuple[str | None, str | None], problems: list[Problem]
) -> list[Found] | None:
    """The images of a table; what is wrong is added to the problems."""
    if not folder.is_dir():
        problems.append(Problem(str(folder), "is not a directory", f"expected the images that {path.name} names"))
    rows = read_rows(path, columns, problems)
    if rows is None or not folder.is_dir():
        return None
    if not rows:
        problems.append(Problem(str(path), "has no rows below its header"))
    pictures = Pictures(folder)
    found: dict[str, Found] = {}
    for row in rows:
        fault = _fault(row, found, pictures)
        if isinstance(fault, Path):
            found.setdefault(row.file, Found(fault, row.file, _class_of(row), path, row.line))
        else:
            problems.append(Problem(row.file or "the file name", *fault, row.line, str(path)))
    return list(found.values())


class Row(NamedTuple):
    """A row: its 1-based line, the file's name and the label's text."""

    line: int
    file: str
    label: str


def rows_of(table: LabelTable, file: int, label: int) -> list[Row]:
    """The rows of a table, by the indices of two columns."""
    return [Row(line, cells[file], cells[label]) for line, cells in table.rows]


def read_rows(path: Path, columns: tuple[str | None, str | None], problems: list[Problem]) -> list[Row] | None:
    """The rows of a table; None, and problems, where it cannot be read or lacks a column."""
    try:
        table = read_label_table(path)
    except InputError as error:
        problems += error.problems
        return None
    found = []
    for accepted, chosen, argument in (
        (IMAGE_COLUMNS, columns[0], "filename_column"),
        (LABEL_COLUMNS, columns[1], "label_column"),
    ):
        try:
            found.append(table.column(accepted, chosen, argument))
        except InputError as error:
            problems += error.problems
    return rows_of(table, *found) if len(found) == 2 else None


def _class_of(row: Row) -> str | None:
    return None if row.label == UNLABELLED else row.label


def _fault(row: Row, earlier: dict[str, Found], pictures: Pictures) -> Path | tuple[str, str | None]:
    """The row's file; or what is wrong with the row, and a hint."""
    if not row.file:
        return "is empty in this row", None
    if not row.label:
        return "has no label", f"write {UNLABELLED} where the class is not known"
    before = earlier.get(row.file)
    if before is not None and before.class_name != _class_of(row):
        return f"is labelled {row.label!r} here and {before.class_name!r} in line {before.line}", "keep one of the rows"
    file = before.file if before is not None else pictures.find(row.file)
    return file or (f"is not in {pictures.folder}", pictures.examples)
