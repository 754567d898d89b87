"""Images whose file names begin with their class."""

from __future__ import annotations

from pathlib import Path

from registry import Problem
from registry.engine import images_in

from .labelled import Found, LabelledFiles, split_folder


def class_in(stem: str) -> tuple[str, str] | None:
    """The class and the id in a stem ``CLASS_ID``, parted at the last underscore; None where one of them is missing."""
    name, _, number = stem.rpartition("_")
    return (name, number) if name and number else None


class LabelledNames(LabelledFiles):
    """Classification data: ``ROOT/train_50/CLASS_ID.png`` and ``ROOT/val_50/CLASS_ID.png``.

    A class name may hold underscores, an id may not. The classes are those of the training split, in the order of
    ``in_class_order``.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it; None for none.

    Raises:
        InputError: a folder is missing or has no images, a file's name has no class, or the evaluation split has
            a class more; every such problem at once.
    """

    def __init__(self, root: Path, train: str = "train_50", val: str | None = "val_50") -> None:
        problems: list[Problem] = []
        learned = _found(Path(root), train, problems)
        held_out = None if val is None else _found(Path(root), val, problems)
        super().__init__(learned, held_out, problems)


def _found(root: Path, split: str, problems: list[Problem]) -> list[Found]:
    folder = split_folder(root, split, problems)
    if folder is None:
        return []
    found, files = [], images_in(folder)
    for file in files:
        parts = class_in(file.stem)
        if parts is None:
            expected = f"expected CLASS_ID{file.suffix}, such as cat_0012{file.suffix}"
            problems.append(Problem(str(file), "has no class in its name", expected))
        else:
            found.append(Found(file, file.name, parts[0]))
    if not files:
        problems.append(Problem(str(folder), "has no images", f"expected {folder}/CLASS_ID.png"))
    return found
