"""MedMNIST's files: every split's images and labels in one .npz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from registry import InputError


class Split:
    """Images with labels, in memory.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        labels: (N,) integers from 0.
        name: what the samples are called after.
    """

    def __init__(self, images: np.ndarray, labels: Sequence[int], name: str) -> None:
        self.images, self.labels = images, list(labels)
        self.names = [f"{name}_{index:05d}" for index in range(len(images))]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        image = self.images[index]
        colored = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        return {"image": colored, "label": self.labels[index], "name": self.names[index]}


class MedMnist:
    """See the spec ``medmnist``.

    Raises:
        InputError: the file does not exist, a split is missing, or it holds anything but images with one label each.
    """

    def __init__(self, root: Path, evaluate: str = "val", class_names: Sequence[str] | None = None) -> None:
        self.file = _file(root)
        try:
            with np.load(self.file, allow_pickle=False) as arrays:
                self._splits = {"train": _split(arrays, "train", self.file), "val": _split(arrays, evaluate, self.file)}
        except (BadZipFile, ValueError, OSError) as error:
            raise InputError.of("root", f"{self.file} cannot be read: {error}", "download the file again") from error
        classes = 1 + max(label for split in self._splits.values() for label in split.labels)
        if class_names is not None and len(class_names) != classes:
            message = f"has {len(class_names)} names, and {self.file} holds {classes} classes"
            raise InputError.of("class_names", message, "name each class")
        names = tuple(class_names or map(str, range(classes)))
        self.facts: dict[str, Any] = {"num_classes": classes, "class_names": names, "in_channels": 3}

    def split(self, name: str) -> Split | None:
        """``train`` or ``val``; None for any other name."""
        return self._splits.get(name)


def _file(root: Path) -> Path:
    if not root.is_dir():
        return root
    found = sorted(root.glob("*.npz"))
    if len(found) != 1:
        raise InputError.of("root", f"{root} holds {len(found)} .npz files, expected one", "name the file itself")
    return found[0]


def _split(arrays: Mapping[str, np.ndarray], name: str, file: Path) -> Split:
    for key in (f"{name}_images", f"{name}_labels"):
        if key not in arrays:
            raise InputError.of("root", f"{file} has no {key!r}", "expected a file of MedMNIST")
    images, labels = arrays[f"{name}_images"], arrays[f"{name}_labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError.of(
            "root", f"{file}: {name}_images are {images.dtype} {images.shape}, expected uint8 (N, H, W) or (N, H, W, 3)"
        )
    if labels.size != len(images):
        raise InputError.of("root", f"{file}: {name}_labels are {labels.shape}, expected one for each image")
    return Split(images, [int(label) for label in labels.ravel()], name)
