"""What the plugin for plain folders offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from registry.windows import guessed_by

from . import guesses

if TYPE_CHECKING:
    from .image_folders import ImageFolders
    from .image_masks import ImageMasks


@guessed_by(guesses.image_masks)
def image_masks(
    *,
    root: Path,
    classes: list[str],
    train_images: str = "train/images",
    train_masks: str = "train/masks",
    val_images: str = "val/images",
    val_masks: str = "val/masks",
    mask_format: Literal["index", "palette", "colors"] = "index",
    colors: list[tuple[int, int, int]] | None = None,
    ignore_index: int | None = None,
    image_suffix: str = "",
    mask_suffix: str = "",
) -> ImageMasks:
    """Your own segmentation data: folders of images and folders of masks of the same names.

    Files may be jpg, png, tif, webp or bmp; masks must be lossless. Every label is checked as it is read.

    Args:
        root: folder to which the others are relative.
        classes: the classes' names, in the order of their labels 0, 1, ...
        train_images: folder of the training images.
        train_masks: folder of their masks.
        val_images: folder of the validation images.
        val_masks: folder of their masks.
        mask_format: index: a pixel's grey value is its label; palette: its palette index is; colors: see colors.
        colors: (R, G, B) of each class; needed for mask_format colors, else for figures. An ignored label may follow.
        ignore_index: the label that is not learned, often 255.
        image_suffix: what follows the name in an image's file name, such as _sat.
        mask_suffix: what follows the name in a mask's file name, such as _mask.
    """
    from .image_masks import ImageMasks

    return ImageMasks(
        root,
        classes,
        (train_images, train_masks),
        (val_images, val_masks),
        mask_format,
        colors,
        ignore_index,
        image_suffix,
        mask_suffix,
    )


@guessed_by(guesses.image_folders)
def image_folders(*, root: Path, train: str = "train", val: str = "val") -> ImageFolders:
    """Your own classification data: a folder of images for each class, in a folder for each split.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it.
    """
    from .image_folders import ImageFolders

    return ImageFolders(root, train, val)
