"""Images and masks in folders of their own, joined by file name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from registry import InputError, Problem
from registry.engine import Color, MaskReader, PairedImages, distinct_colors, files_by_name, pair_files

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
        InputError: the arguments do not agree, a folder is missing or empty, a name is repeated, or an image or a
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
        by_color = dict(zip(table, labels, strict=False))
        read = MaskReader.of_colors(by_color) if mask_format == "colors" else MaskReader.of_values(labels)
        self._splits: dict[str, PairedImages] = {}
        hint = f"expected an image NAME{image_suffix}.EXT for each mask NAME{mask_suffix}.EXT"
        folders = {"train": train, "val": val} if val is not None else {"train": train}
        for split, (images, masks) in folders.items():
            # Both kinds in one folder: x_mask.png is not the image of a mask x_mask_mask.png.
            others = (mask_suffix, image_suffix) if images == masks else ("", "")
            halves = []
            for folder, suffix, other in ((images, image_suffix, others[0]), (masks, mask_suffix, others[1])):
                try:
                    halves.append(files_by_name(Path(root) / folder, suffix, other))
                except InputError as error:
                    problems += error.problems
            if len(halves) == 2:
                pairs, unpaired = pair_files(halves[0], halves[1], f"{Path(root) / images}, {Path(root) / masks}", hint)
                problems += unpaired
                self._splits[split] = PairedImages(pairs, read)
        if problems:
            raise InputError(problems)

    def split(self, name: str) -> PairedImages | None:
        """The samples of ``train`` or ``val``, sorted by name; None for a validation split that was not named.

        Raises:
            InputError: another name; in reading a sample: a broken picture, a label or a colour of no class, or a mask
                of another size than its image.
        """
        if name not in ("train", "val"):
            raise InputError.of(name, "is not a split of this data", "the splits are train, val")
        return self._splits.get(name)


def _disagreements(
    classes: Sequence[str], mask_format: str, colors: Sequence[Color] | None, ignore_index: int | None
) -> list[Problem]:
    count, problems = len(classes), []
    if not 1 <= count <= 256:
        problems.append(Problem("classes", f"expected 1 to 256 names, got {count}"))
    if len(set(classes)) < count:
        problems.append(Problem("classes", "repeats a name"))
    if ignore_index is not None and not 0 <= ignore_index <= 255:
        problems.append(Problem("ignore_index", f"expected 0..255, got {ignore_index}", "masks are read as 8 bits"))
    if mask_format == "colors" and not colors:
        problems.append(
            Problem("colors", "is missing, but mask_format is 'colors'", "give one [R, G, B] for each class")
        )
    if colors:
        further = ignore_index is not None and ignore_index >= count
        if len(colors) not in (count, count + further):
            problems.append(Problem("colors", f"expected {count} colours, one for each class, got {len(colors)}"))
        if any(len(color) != 3 or not all(0 <= part <= 255 for part in color) for color in colors):
            problems.append(Problem("colors", "expected [R, G, B] in 0..255 for each class"))
        elif mask_format == "colors" and len({tuple(color) for color in colors}) < len(colors):
            problems.append(Problem("colors", "repeats a colour, so its label is ambiguous"))
    return problems
