"""Images in a folder for each class."""

from __future__ import annotations

from pathlib import Path

from registry import Problem
from registry.engine import images_in

from .labelled import Found, LabelledFiles, split_folder


class ImageFolders(LabelledFiles):
    """Classification data: ``ROOT/train/CLASS/*.jpg`` and ``ROOT/val/CLASS/*.jpg``.

    The classes are the training split's folders, in the order of ``in_class_order``.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it; None for none.

    Raises:
        InputError: a folder is missing, has no classes or no images, or the evaluation split has a class more.
    """

    def __init__(self, root: Path, train: str = "train", val: str | None = "val") -> None:
        problems: list[Problem] = []
        found: dict[str, dict[str, list[Found]]] = {}
        for split in (train, *(() if val is None else (val,))):
            folder = split_folder(Path(root), split, problems)
            if folder is not None:
                found[split] = _by_class(folder, problems)
        files = {split: [one for each in classes.values() for one in each] for split, classes in found.items()}
        super().__init__(
            files.get(train, []), None if val is None else files.get(val, []), problems, found.get(train, {})
        )


def _by_class(folder: Path, problems: list[Problem]) -> dict[str, list[Found]]:
    """Class -> its files, possibly none; what is wrong is added to the problems."""
    expected = f"expected {folder}/CLASS/x.jpg"
    found = {
        place.name: [Found(file, str(file.relative_to(folder)), place.name) for file in images_in(place, deep=True)]
        for place in sorted(folder.iterdir())
        if place.is_dir() and not place.name.startswith(".")
    }
    if not found:
        problems.append(Problem(str(folder), "has no subfolders, expected one for each class", expected))
    elif not any(found.values()):
        problems.append(Problem(str(folder), "has no images", expected))
    return found
