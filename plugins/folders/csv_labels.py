"""Images in folders, with a csv file that tells their classes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from registry.errors import Problem

from .csv_tables import FILE_COLUMNS, LABEL_COLUMNS, Row, read_table
from .labelled import Found, LabelledFiles, images_in

#: The text of a label that is not known.
UNLABELLED = "None"


class CsvLabels(LabelledFiles):
    """Classification data: ``ROOT/train/*.jpg`` with ``ROOT/train.csv``, and the same for ``val``.

    A label is a word or a number; ``None`` is that of an image whose class is not known. The classes are the labels of
    the training split, in the order of ``in_class_order``; where it has none at all, the data tell no classes. A row
    that stands there twice is one image.

    Args:
        root: the folder to which the others are relative.
        train: the training images' folder and their csv file.
        val: those of the evaluation split; None for none.
        filename_column: None to look for one of ``FILE_COLUMNS``.
        label_column: None to look for one of ``LABEL_COLUMNS``.

    Raises:
        InputError: a csv file cannot be read or lacks a column, a row has no label or names no file that is there, two
            rows contradict each other, or the evaluation split has a class more; with lines, all at once.
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
    def told(self) -> str:
        """A few of the images that lie there, for a hint."""
        names = [files[0].name for files in self._by_stem.values()]
        return f"images there: {', '.join(names[:3])}{', ...' * (len(names) > 3)}" if names else "it holds no images"

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in images_in(self.folder):
            found.setdefault(file.stem, []).append(file)
        return found


def _found(
    folder: Path, path: Path, columns: tuple[str | None, str | None], problems: list[Problem]
) -> list[Found] | None:
    """The images of a table; what is amiss is added to the problems."""
    if not folder.is_dir():
        problems.append(Problem(str(folder), "is no folder", f"it should hold the images that {path.name} names"))
    table = read_table(path, problems)
    if table is None:
        return None
    file_column = table.column(columns[0], FILE_COLUMNS, "filename_column", problems)
    label_column = table.column(columns[1], LABEL_COLUMNS, "label_column", problems)
    if file_column is None or label_column is None or not folder.is_dir():
        return None
    rows = table.rows(file_column, label_column)
    if not rows:
        problems.append(Problem(str(path), "has no rows under its columns"))
    pictures = Pictures(folder)
    found: dict[str, Found] = {}
    for row in rows:
        fault = _fault(row, found, pictures)
        if isinstance(fault, Path):
            found.setdefault(row.file, Found(fault, row.file, _class_of(row), path, row.line))
        else:
            name = row.file or table.columns[file_column]
            problems.append(Problem(name, *fault, row.line, str(path)))
    return list(found.values())


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
    return file or (f"is not in {pictures.folder}", pictures.told)
