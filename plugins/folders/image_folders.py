"""Images in a folder for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.engine.images import IMAGE_SUFFIXES, read_image
from registry.problems import InputError, did_you_mean


@dataclass(frozen=True)
class Labelled:
    """Files with a label each; read when asked for, as dicts of ``image`` (H, W, 3) uint8, ``label`` and ``name``.

    Args:
        files: the images.
        labels: the index of each one's class.
        root: names are relative to it.
    """

    files: Sequence[Path]
    labels: Sequence[int]
    root: Path

    @property
    def names(self) -> list[str]:
        """The files, relative to the root."""
        return [str(file.relative_to(self.root)) for file in self.files]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        file = self.files[index]
        return {"image": read_image(file), "label": self.labels[index], "name": str(file.relative_to(self.root))}


class ImageFolders:
    """Classification data: ``ROOT/train/CLASS/*.jpg`` and ``ROOT/val/CLASS/*.jpg``.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it.

    Raises:
        InputError: a folder is missing, holds no classes or no images, or the splits' classes differ.
    """

    def __init__(self, root: Path, train: str, val: str) -> None:
        splits = {"train": root / train, "val": root / val}
        for folder in splits.values():
            if not folder.is_dir():
                there = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
                hint = did_you_mean(
                    folder.name, there, f"folders there: {', '.join(sorted(there)[:8])}" if there else None
                )
                raise InputError.of(str(folder), "is not there", hint)
        names = _classes(splits["train"])
        unknown = sorted(set(_classes(splits["val"])) - set(names))
        if unknown:
            raise InputError.of(
                str(splits["val"]), f"has classes that {splits['train']} lacks: {', '.join(unknown[:5])}"
            )
        self.facts: dict[str, Any] = {"num_classes": len(names), "class_names": names, "in_channels": 3}
        self._splits = {split: _labelled(folder, names) for split, folder in splits.items()}

    def split(self, name: str) -> Labelled:
        """The split called ``train`` or ``val``."""
        return self._splits[name]


def _classes(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise InputError.of(str(folder), "holds no folders, and each class needs one", f"expected {folder}/CLASS/x.jpg")
    return names


def _labelled(folder: Path, names: Sequence[str]) -> Labelled:
    found = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not found:
        raise InputError.of(str(folder), "holds no images", f"expected {folder}/CLASS/x.jpg")
    return Labelled([path for path, _ in found], [label for _, label in found], folder)
