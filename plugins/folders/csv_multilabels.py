"""Images in folders, with a csv file of the several labels of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import Problem, did_you_mean
from registry.engine import in_class_order, read_image

from .csv_labels import Pictures, read_rows
from .labelled import raise_all


@dataclass(frozen=True)
class Multilabelled:
    """Files with any number of labels each; read as dicts of ``image`` (H, W, 3) uint8, ``label`` and ``name``.

    Args:
        files: the images.
        labels: of each, a flag for every class: 1 where it has the class.
        names: what each one is called.
    """

    files: Sequence[Path]
    labels: Sequence[tuple[int, ...]]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return {"image": read_image(self.files[index]), "name": self.names[index], "label": self.labels[index]}


class CsvMultilabels:
    """Multilabel data: ``ROOT/train/*.jpg`` with ``ROOT/train.csv``, and the same for ``val``.

    The classes are the labels of the training split, in the order of ``in_class_order``. An empty cell is an image of
    no class.

    Args:
        root: the folder to which the others are relative.
        train: the training images' folder and their csv file.
        val: those of the evaluation split; None for none.
        separator: between the labels of a cell.
        filename_column, label_column: as of ``CsvLabels``.

    Raises:
        InputError: a csv file cannot be read or has no such column, a row names a missing file or one that another row
            names, the training split has no label, or the evaluation split one that it lacks; all problems at once.
    """

    def __init__(
        self,
        root: Path,
        train: tuple[str, str],
        val: tuple[str, str] | None,
        separator: str,
        filename_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        problems: list[Problem] = []
        columns = (filename_column, label_column)
        tables = {
            name: _found(Path(root) / split[0], Path(root) / split[1], columns, separator, problems)
            for name, split in (("train", train), ("val", val))
            if split is not None
        }
        names = in_class_order(label for _, _, labels, _ in tables["train"] for label in labels)
        if tables["train"] and not names:
            problems.append(Problem(train[1], "has no label in any row"))
        for file, _, labels, line in tables.get("val", []) if names else []:
            for label in labels - set(names):
                message = f"has the label {label!r}, which the training split does not have"
                problems.append(Problem(str(file), message, did_you_mean(label, names), line))
        raise_all(problems)
        self.facts: dict[str, Any] = {"in_channels": 3, "num_classes": len(names), "class_names": names}
        self._splits = {
            name: Multilabelled(
                [file for file, _, _, _ in rows],
                [tuple(int(each in labels) for each in names) for _, _, labels, _ in rows],
                [called for _, called, _, _ in rows],
            )
            for name, rows in tables.items()
        }

    def split(self, name: str) -> Multilabelled | None:
        """The split called ``train`` or ``val``; None when the data have no such split."""
        return self._splits.get(name)


def _found(
    folder: Path, path: Path, columns: tuple[str | None, str | None], separator: str, problems: list[Problem]
) -> list[tuple[Path, str, set[str], int]]:
    """File, name, labels and line of each row of a table; what is wrong is added to the problems."""
    rows = read_rows(path, columns, problems)
    if not folder.is_dir():
        problems.append(Problem(str(folder), "is not a directory", f"expected the images that {path.name} names"))
        return []
    pictures, found = Pictures(folder), dict[str, tuple[Path, str, set[str], int]]()
    for row in rows or []:
        file = pictures.find(row.file) if row.file else None
        if row.file in found:
            message = f"is listed here and in line {found[row.file][3]}"
            problems.append(Problem(row.file, message, "write all labels of an image in one row", row.line, str(path)))
        elif file is None:
            message = f"is not in {folder}" if row.file else "is empty in this row"
            problems.append(Problem(row.file or "the file name", message, pictures.examples, row.line, str(path)))
        else:
            labels = {label.strip() for label in row.label.split(separator)} - {""}
            found[row.file] = (file, row.file, labels, row.line)
    return list(found.values())
