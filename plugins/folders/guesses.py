"""Recognising plain folders, for ``data inspect``. At most one of these guesses recognises a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Names that people give to the splits' folders, and to those of images and masks.
_TRAIN = ("train", "training")
_VAL = ("val", "valid", "validation", "test")
_IMAGES = ("images", "image", "imgs", "img")
_MASKS = ("masks", "mask", "labels", "annotations")
#: Parts of names of folders that hold masks.
_OF_MASKS = ("mask", "label", "annot")
#: Labels that may be missing in a row, in the few masks looked at.
_GAP = 10
#: Suffixes of masks whose labels are spoilt.
_LOSSY = (".jpg", ".jpeg")
#: Masks that are looked at for labels.
_LOOKED_AT = 20


def image_folders(root: Path) -> Mapping[str, Any] | None:
    """``ROOT/train/CLASS/*.jpg`` beside a ``val`` or ``test`` folder alike, or ``ROOT/CLASS/*.jpg`` alone."""
    train, val = _first(root, _TRAIN), _first(root, _VAL)
    if train is None and val is None and _are_classes(root):
        return {"root": root, "train": ".", "val": None}
    if train is None or val is None or _first(root / train, _IMAGES):
        return None
    classes = sorted(path for path in (root / train).iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes or not any(path.is_file() for path in classes[0].iterdir()):
        return None
    return {"root": root, **_unless(train=(train, "train"), val=(val, "val"))}


def _are_classes(root: Path) -> bool:
    """Whether the folders in it are those of classes: several, with images in them, and none called as a split is."""
    from registry.engine import images_in

    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = [path.name for path in folders]
    if _variants(names, (*_TRAIN, *_VAL, *_IMAGES, *_MASKS)) or any(root.glob("*.csv")):
        return False
    return len(folders) > 1 and all(images_in(folder) for folder in folders)


def labelled_names(root: Path) -> Mapping[str, Any] | None:
    """``ROOT/train_50/CLASS_12.png`` beside ``ROOT/val_50``; also ``train`` and ``val``, or ``train`` and ``test``.

    The ids are numbers, there are several classes and more images than these, and the splits have classes in common.
    """
    folders = sorted(path.name for path in root.iterdir() if path.is_dir())
    if any(part in name.lower() for name in folders for part in _OF_MASKS) or csv_labels(root) is not None:
        return None
    found = ((name, _classes_by_name(root / name)) for name in _variants(folders, _TRAIN))
    train, classes = next(((name, each) for name, each in found if 1 < len(set(each)) < len(each)), ("", []))
    if not train:
        return None
    known = (name for name in _variants(folders, _VAL) if not set(classes).isdisjoint(_classes_by_name(root / name)))
    val = next(known, None)
    return {"root": root, **_unless(train=(train, "train_50"), val=(val, "val_50"))}


def csv_labels(root: Path) -> Mapping[str, Any] | None:
    """``ROOT/train.csv`` beside the folder of its images, with or without the same for ``val`` or ``test``."""
    found = _tables(root)
    return None if found is None or _separator(root / found.get("train_csv", "train.csv")) else found


def csv_multilabels(root: Path) -> Mapping[str, Any] | None:
    """The same with several labels in a cell."""
    found = _tables(root)
    separator = found and _separator(root / found.get("train_csv", "train.csv"))
    return {**found, **_unless(separator=(separator, ";"))} if found and separator else None


def _separator(path: Path) -> str | None:
    """What is between the labels of a cell; None where each has one label, or a text that happens to hold it."""
    from registry.engine import LABEL_COLUMNS, read_label_table

    table = read_label_table(path)
    column = table.column(LABEL_COLUMNS)
    cells = {row[column] for _, row in table.rows} - {""}
    for separator in ";|,":
        labels = {label.strip() for cell in cells for label in cell.split(separator)} - {""}
        if len(labels) <= len(cells) and any(separator in cell for cell in cells):
            return separator
    return None


def _tables(root: Path) -> dict[str, Any] | None:
    if image_folders(root) is not None:
        return None
    train = next(filter(None, (_table(root, word) for word in _TRAIN)), None)
    if train is None:
        return None
    val = next(filter(None, (_table(root, word) for word in _VAL)), None)
    return {
        "root": root,
        **_unless(train_images=(train[0], "train"), train_csv=(train[1], "train.csv")),
        **(_unless(val_images=(val[0], "val"), val_csv=(val[1], "val.csv")) if val else {"val_csv": None}),
    }


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
    if labels == {0, 255}:
        colors = [[0, 0, 0], [255, 255, 255]]
        classes = ["background", "foreground"]
        return {"root": root, **_unless(**folders), "classes": classes, "mask_format": "colors", "colors": colors}
    ignored = 255 if max(labels) == 255 else None
    highest = _end_of_run(labels - {255} if ignored is not None else labels)
    classes = [f"class_{label}" for label in range(highest + 1)]
    return {
        "root": root,
        **_unless(**folders),
        "classes": classes,
        **({"ignore_index": ignored} if ignored is not None else {}),
    }


def _first(folder: Path, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if (folder / name).is_dir()), None)


def _unless(**given: tuple[str | None, str]) -> dict[str, str | None]:
    """The arguments that differ from their default: name -> (value, default)."""
    return {name: value for name, (value, default) in given.items() if value != default}


def _variants(folders: list[str], words: tuple[str, ...]) -> list[str]:
    """The folders that are called by one of the words, alone or with something after an underscore: train_50."""
    return [name for word in words for name in folders if name.lower() == word or name.lower().startswith(f"{word}_")]


def _classes_by_name(folder: Path) -> list[str]:
    """The class of each image in a folder of ``CLASS_12.png``; none where many files are called otherwise."""
    from registry.engine import images_in

    from .labelled_names import class_in

    files = images_in(folder)
    parted = [parts for file in files if (parts := class_in(file.stem)) is not None and parts[1].isdecimal()]
    # A few may be called otherwise: reading the data names them.
    return [name for name, _ in parted] if len(parted) >= 0.9 * len(files) else []


def _table(root: Path, word: str) -> tuple[str, str] | None:
    """The images' folder and the name of ``WORD.csv``, where it holds files that are there and a label of a few."""
    from registry import InputError
    from registry.engine import IMAGE_COLUMNS, LABEL_COLUMNS, read_label_table

    from .csv_labels import UNLABELLED, Pictures, rows_of

    path = root / f"{word}.csv"
    if not path.is_file():
        return None
    try:
        table = read_label_table(path)
        rows = rows_of(table, table.column(IMAGE_COLUMNS), table.column(LABEL_COLUMNS))
    except InputError:
        return None
    if not any(row.label not in ("", UNLABELLED) for row in rows):
        return None
    for folder in (word, f"{word}_images", "images", "."):
        if (root / folder).is_dir() and any(Pictures(root / folder).find(row.file) for row in rows[:_LOOKED_AT]):
            return folder, path.name
    return None


def _end_of_run(labels: set[int]) -> int:
    """The last label before a wide gap: what lies beyond is a stray value, which the reading of its mask names."""
    last = 0
    for label in sorted(labels):
        if label - last > _GAP:
            break
        last = label
    return last


def _labels(folder: Path) -> set[int]:
    """The labels of a few masks; none where they are not index masks.

    Raises:
        UnreadableImage: they are JPEG files, in which labels do not survive.
    """
    import numpy as np

    from registry.engine import UnreadableImage, read_index_mask

    files = sorted(path for path in folder.iterdir() if path.is_file())
    found: set[int] = set()
    for path in files[:: max(1, len(files) // _LOOKED_AT)]:
        try:
            found.update(int(label) for label in np.unique(read_index_mask(path)))
        except UnreadableImage:
            if path.suffix.lower() in _LOSSY:
                raise
            return set()
    return found
