"""What the plugin for plain folders offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from registry import Range, guessed_by

from . import guesses

if TYPE_CHECKING:
    from .csv_labels import CsvLabels
    from .csv_multilabels import CsvMultilabels
    from .digits import Digits
    from .image_folders import ImageFolders
    from .image_masks import ImageMasks
    from .labelled_names import LabelledNames
    from .unlabelled import Images


@guessed_by(guesses.image_masks)
def image_masks(
    *,
    root: Path,
    classes: list[str],
    train_images: str = "train/images",
    train_masks: str = "train/masks",
    val_images: str | None = "val/images",
    val_masks: str | None = "val/masks",
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
        val_images: folder of the validation images; null for none.
        val_masks: folder of their masks; null for none.
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
        (val_images, val_masks) if val_images is not None and val_masks is not None else None,
        mask_format,
        colors,
        ignore_index,
        image_suffix,
        mask_suffix,
    )


@guessed_by(guesses.image_folders)
def image_folders(*, root: Path, train: str = "train", val: str | None = "val") -> ImageFolders:
    """Your own classification data: a folder of images for each class, in a folder for each split.

    Labels follow the classes' names: by number where all are whole numbers, else alphabetically.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it; null for none.
    """
    from .image_folders import ImageFolders

    return ImageFolders(root, train, val)


@guessed_by(guesses.labelled_names)
def labelled_names(*, root: Path, train: str = "train_50", val: str | None = "val_50") -> LabelledNames:
    """Classification data of files named CLASS_ID.png, in a folder for each split: the course's first problem.

    The class is what stands before the last underscore. Labels follow the classes' names: by number where all are
    whole numbers, else alphabetically.

    Args:
        root: the folder that holds the splits.
        train: the training split's folder in it.
        val: the evaluation split's folder in it; null for none.
    """
    from .labelled_names import LabelledNames

    return LabelledNames(root, train, val)


@guessed_by(guesses.csv_labels)
def csv_labels(
    *,
    root: Path,
    train_images: str = "train",
    train_csv: str = "train.csv",
    val_images: str = "val",
    val_csv: str | None = "val.csv",
    filename_column: str | None = None,
    label_column: str | None = None,
) -> CsvLabels:
    """Classification data with csv files that name each image and its label: the course's second problem.

    Labels are words or numbers; None is that of an image whose class is not known. Indices follow the labels: by number
    where all are whole numbers, else alphabetically.

    Args:
        root: folder to which the others are relative.
        train_images: folder of the training images.
        train_csv: csv file of their labels; its first line names the columns.
        val_images: folder of the evaluation images.
        val_csv: csv file of their labels; null for no evaluation split.
        filename_column: column of the file names; null looks for filename, image_id, file, image, name or id.
        label_column: column of the labels; null looks for label, class, category, target and the like.
    """
    from .csv_labels import CsvLabels

    val = None if val_csv is None else (val_images, val_csv)
    return CsvLabels(root, (train_images, train_csv), val, filename_column, label_column)


@guessed_by(guesses.csv_multilabels)
def csv_multilabels(
    *,
    root: Path,
    train_images: str = "train",
    train_csv: str = "train.csv",
    val_images: str = "val",
    val_csv: str | None = "val.csv",
    separator: str = ";",
    filename_column: str | None = None,
    label_column: str | None = None,
) -> CsvMultilabels:
    """Multilabel data with csv files that name each image and all its labels in one cell, such as sky;tree.

    Args:
        root: folder to which the others are relative.
        train_images: folder of the training images.
        train_csv: csv file of their labels; its first line names the columns. An empty cell is an image of no class.
        val_images: folder of the evaluation images.
        val_csv: csv file of their labels; null for no evaluation split.
        separator: between the labels of a cell, such as ; or | or a space.
        filename_column: column of the file names; null looks for filename, image_id, file, image, name or id.
        label_column: column of the labels; null looks for label, class, category, target and the like.
    """
    from .csv_multilabels import CsvMultilabels

    val = None if val_csv is None else (val_images, val_csv)
    return CsvMultilabels(root, (train_images, train_csv), val, separator, filename_column, label_column)


def images(*, root: Path) -> Images:
    """Images without labels, for self-supervised learning: every one below a folder.

    Args:
        root: the folder.
    """
    from .unlabelled import Images

    return Images(root)


def digits(
    *,
    size: Annotated[int, Range(8, 1024)] = 32,
    seed: Annotated[int, Range(0)] = 0,
    digits: list[Annotated[int, Range(0, 9)]] | None = None,
    colored: bool = False,
) -> Digits:
    """Writes 1,797 real handwritten digits, ten classes, in the layout of ``labelled_names``; no download.

    Scans of 8 x 8 pixels that come with scikit-learn (Alpaydin and Kaynak, 1998), enlarged. A fifth of each class is
    the evaluation split.

    Args:
        size: width and height of the images in pixels.
        seed: another seed splits otherwise.
        digits: those wanted, such as [0, 1, 2]; null for all ten.
        colored: each digit in a random colour on another one, which makes them harder to tell apart.
    """
    from .digits import Digits

    return Digits(size, seed, digits, colored=colored)
