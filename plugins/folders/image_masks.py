"""Images and masks in folders of their own, joined by file name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from registry import InputError, Problem
from registry.engine import (
    IMAGE_SUFFIXES,
    Color,
    PairedPictures,
    Pixels,
    UnreadableImage,
    distinct_colors,
    pair_files,
    read_color_mask,
    read_index_mask,
)

_GREY: Final = (128, 128, 128)


class ImageMasks:
    """Segmentation data in plain folders, for any classes.

    Args:
        root: the folder to which the others are relative.
        classes: the classes' names, in the order of their labels.
        train: folders of the training images and masks.
        val: folders of the validation images and masks; None for no validation split.
        mask_format: ``index`` or ``palette``: a pixel's value or palette index is its label; ``colors``: by ``colors``.
        colors: the classes' colours: those in the masks for ``colors``, else for figures only. One further colour is
            that of the ignored label.
        ignore_index: the label that is not learned.
        image_suffix: what an image's stem has after the name.
        mask_suffix: what a mask's stem has after the name.

    Raises:
        InputError: the arguments do not agree, a folder is missing or empty, a name is there twice, or an image or a
            mask lacks its other half; every such problem at once. Nothing is decoded for it.
    """

    def __init__(
        self,
        root: Path,
        classes: Sequence[str],
        train: tuple[str, str] = ("train/images", "train/masks"),
        val: tuple[str, str] | None = ("val/images", "val/masks"),
        mask_format: Literal["index", "palette", "colors"] = "index",
        colors: Sequence[Color] | None = None,
        ignore_index: int | None = None,
        image_suffix: str = "",
        mask_suffix: str = "",
    ) -> None:
        problems = _disagreements(classes, mask_format, colors, ignore_index)
        if problems:
            raise InputError(problems)
        table = [(red, green, blue) for red, green, blue in colors] if colors else distinct_colors(len(classes))
        if ignore_index is not None and ignore_index < len(classes) and not colors:
            table[ignore_index] = _GREY
        self.facts: dict[str, Any] = {
            "num_classes": len(classes),
            "class_names": tuple(classes),
            "class_colors": tuple(table[: len(classes)]),
            "ignore_index": ignore_index,
            "in_channels": 3,
            "image_suffix": image_suffix,
        }
        labels = [*range(len(classes))]
        if ignore_index is not None and ignore_index not in labels:
            labels.append(ignore_index)
        read: _ByColor | _ByValue = (
            _ByColor(dict(zip(table, labels, strict=False))) if mask_format == "colors" else _ByValue(labels)
        )
        self._splits: dict[str, PairedPictures] = {}
        hint = f"expected an image NAME{image_suffix}.EXT for each mask NAME{mask_suffix}.EXT"
        folders = {"train": train, "val": val} if val is not None else {"train": train}
        for split, (images, masks) in folders.items():
            # Both kinds in one folder: x_mask.png is not the image of a mask x_mask_mask.png.
            others = (mask_suffix, image_suffix) if images == masks else ("", "")
            found = [
                _files(Path(root) / folder, suffix, other, problems)
                for folder, suffix, other in ((images, image_suffix, others[0]), (masks, mask_suffix, others[1]))
            ]
            if all(found):
                pairs, amiss = pair_files(found[0], found[1], f"{Path(root) / images}, {Path(root) / masks}", hint)
                problems += amiss
                self._splits[split] = PairedPictures(pairs, read)
        if problems:
            raise InputError(problems)

    def split(self, name: str) -> PairedPictures | None:
        """The samples of ``train`` or ``val``, sorted by name; None for a validation split that was not named.

        Raises:
            InputError: another name; in reading a sample: a broken picture, a label or a colour of no class, or a mask
                of another size than its image.
        """
        if name not in ("train", "val"):
            raise InputError.of(name, "is no split of this data", "the splits are train, val")
        return self._splits.get(name)


def _disagreements(
    classes: Sequence[str], mask_format: str, colors: Sequence[Color] | None, ignore_index: int | None
) -> list[Problem]:
    count, problems = len(classes), []
    if not 1 <= count <= 256:
        problems.append(Problem("classes", f"has {count} names", "give 1 to 256"))
    if len(set(classes)) < count:
        problems.append(Problem("classes", "has a name twice"))
    if ignore_index is not None and not 0 <= ignore_index <= 255:
        problems.append(Problem("ignore_index", f"is {ignore_index}, outside 0..255", "masks are read as 8 bits"))
    if mask_format == "colors" and not colors:
        problems.append(
            Problem("colors", "is missing, but mask_format is 'colors'", "give one [R, G, B] for each class")
        )
    if colors:
        further = ignore_index is not None and ignore_index >= count
        if len(colors) not in (count, count + further):
            problems.append(Problem("colors", f"has {len(colors)} colours for {count} classes"))
        if any(len(color) != 3 or not all(0 <= part <= 255 for part in color) for color in colors):
            problems.append(Problem("colors", "holds what is no [R, G, B] in 0..255"))
        elif mask_format == "colors" and len({tuple(color) for color in colors}) < len(colors):
            problems.append(Problem("colors", "has a colour twice, so its label is not known"))
    return problems


def _files(folder: Path, suffix: str, other: str, problems: list[Problem]) -> dict[str, Path]:
    """Name (without the suffix) -> picture; what is amiss is added to the problems.

    Stems that end in ``other``, where that is longer than ``suffix``, are passed over.
    """
    found: dict[str, Path] = {}
    if not folder.is_dir():
        problems.append(Problem(str(folder), "is no folder"))
        return found
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or not path.stem.endswith(suffix):
            continue
        if len(other) > len(suffix) and path.stem.endswith(other):
            continue
        name = path.stem.removesuffix(suffix)
        if name in found:
            problems.append(Problem(str(path), f"has the same name as {found[name].name}", "keep one of them"))
        found[name] = path
    if not found:
        problems.append(
            Problem(str(folder), f"holds no pictures NAME{suffix}.EXT", f"EXT: {', '.join(sorted(IMAGE_SUFFIXES))}")
        )
    return found


class _ByValue:
    """Reads masks whose values are labels. A class, not a closure: a loader's worker gets it by pickle."""

    def __init__(self, labels: list[int]) -> None:
        self.allowed = np.zeros(256, bool)
        self.allowed[labels] = True
        self.said = f"allowed: {_ranges(labels)}"

    def __call__(self, path: Path) -> Pixels:
        mask = read_index_mask(path)
        counts = np.bincount(mask.ravel(), minlength=256)
        wrong = np.flatnonzero((counts > 0) & ~self.allowed)
        if len(wrong):
            some = ", ".join(f"{value} ({counts[value]} pixels)" for value in wrong[:5])
            raise UnreadableImage(path, f"has labels of no class: {some}{', ...' * (len(wrong) > 5)}", self.said)
        return mask


class _ByColor:
    """Reads masks whose colours stand for labels: a colour is one number, looked up among the sorted known ones."""

    def __init__(self, table: dict[Color, int]) -> None:
        packed = {red << 16 | green << 8 | blue: label for (red, green, blue), label in table.items()}
        self.known = np.array(sorted(packed), np.uint32)
        self.labels = np.array([packed[int(color)] for color in self.known], np.uint8)
        self.said = f"the known colours: {', '.join(str(color) for color in table)}"

    def __call__(self, path: Path) -> Pixels:
        colors = read_color_mask(path).astype(np.uint32)
        pixels = colors[..., 0] << 16 | colors[..., 1] << 8 | colors[..., 2]
        place = np.minimum(np.searchsorted(self.known, pixels), len(self.known) - 1)
        strange = pixels != self.known[place]
        if strange.any():
            values, counts = np.unique(pixels[strange], return_counts=True)
            some = ", ".join(
                f"({value >> 16}, {value >> 8 & 255}, {value & 255}) ({counts[at]} pixels)"
                for at, value in ((at, int(values[at])) for at in counts.argsort()[::-1][:5])
            )
            raise UnreadableImage(path, f"has colours of no class: {some}{', ...' * (len(values) > 5)}", self.said)
        return self.labels[place]


def _ranges(labels: list[int]) -> str:
    last = len(labels) - 1
    if labels[last] == last:
        return f"0..{last}"
    return f"0..{last - 1} and {labels[last]} (ignored)"
