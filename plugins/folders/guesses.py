"""Recognising plain folders, for ``data inspect``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Names that people give to the splits' folders, and to those of images and masks.
_TRAIN = ("train", "training")
_VAL = ("val", "valid", "validation", "test")
_IMAGES = ("images", "image", "imgs", "img")
_MASKS = ("masks", "mask", "labels", "annotations")
#: Masks that are looked at for labels.
_LOOKED_AT = 20


def image_folders(root: Path) -> Mapping[str, Any] | None:
    """``ROOT/train/CLASS/*.jpg`` beside a ``val`` or ``test`` folder of the same kind."""
    train, val = _first(root, _TRAIN), _first(root, _VAL)
    if train is None or val is None or _first(root / train, _IMAGES):
        return None
    classes = [path for path in (root / train).iterdir() if path.is_dir()]
    if not classes or not any(path.is_file() for path in classes[0].iterdir()):
        return None
    return {"root": root, **_unless(train=(train, "train"), val=(val, "val"))}


def image_masks(root: Path) -> Mapping[str, Any] | None:
    """``ROOT/train/images`` and ``ROOT/train/masks`` beside a ``val`` folder of the same kind; masks of indices."""
    train, val = _first(root, _TRAIN), _first(root, _VAL)
    if train is None or val is None:
        return None
    folders = {}
    for split, name in (("train", train), ("val", val)):
        images, masks = _first(root / name, _IMAGES), _first(root / name, _MASKS)
        if images is None or masks is None:
            return None
        folders[f"{split}_images"] = (f"{name}/{images}", f"{split}/images")
        folders[f"{split}_masks"] = (f"{name}/{masks}", f"{split}/masks")
    labels = _labels(root / folders["train_masks"][0])
    if not labels:
        return None
    ignored = 255 if max(labels) == 255 else None
    highest = max(label for label in labels if label != ignored) if labels != {255} else 0
    classes = [f"class_{label}" for label in range(highest + 1)]
    return {
        "root": root,
        **_unless(**folders),
        "classes": classes,
        **({"ignore_index": ignored} if ignored is not None else {}),
    }


def _first(folder: Path, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if (folder / name).is_dir()), None)


def _unless(**given: tuple[str, str]) -> dict[str, str]:
    """The arguments that differ from their default: name -> (value, default)."""
    return {name: value for name, (value, default) in given.items() if value != default}


def _labels(folder: Path) -> set[int]:
    """The labels of a few masks; none where they are no index masks."""
    import numpy as np

    from registry.engine.images import UnreadableImage, read_index_mask

    files = sorted(path for path in folder.iterdir() if path.is_file())
    found: set[int] = set()
    for path in files[:: max(1, len(files) // _LOOKED_AT)]:
        try:
            found.update(int(label) for label in np.unique(read_index_mask(path)))
        except UnreadableImage:
            return set()
    return found
