"""What recipes see of the plugin. Nothing heavy is imported here: listing and checking read this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from registry import Count, FromData, Loss, Model, Probability, Range, guessed_by

if TYPE_CHECKING:
    from .calibration import Calibration
    from .field_of_view import FieldOfView
    from .medmnist import MedMnist
    from .ordinal import Ordinal
    from .spots import Spots
    from .squared_emd import SquaredEarthMovers

_LAST: list[int | str] = ["last"]


def ordinal(*, model: Model, loss: Loss = "squared_emd") -> Ordinal:
    """Grades: classification whose classes have an order, so that a near miss is better than a far one.

    Scores: `kappa`, quadratically weighted (Cohen, 1968), which chooses the best checkpoint; `mae`, the mean error in
    grades, of the median of the predicted distribution; and `accuracy`.

    Args:
        model: images to (B, grades) logits.
        loss: of logits and grades.
    """
    from .ordinal import Ordinal

    return Ordinal(model, loss)


def squared_emd(*, ignore_index: FromData[int | None] = None) -> SquaredEarthMovers:
    """The squared earth mover's distance between the predicted and the true distribution of grades (Hou et al., 2016).

    Args:
        ignore_index: the label that is not to be learned.
    """
    from .squared_emd import SquaredEarthMovers

    return SquaredEarthMovers(ignore_index)


def field_of_view(
    *, least: Annotated[float, Range(above=0, most=1)] = 0.7, shift: Probability = 0.1, p: Probability = 0.5
) -> FieldOfView:
    """A round field of view, as of a fundus camera or a microscope: black outside, in images; masks are unchanged.

    Args:
        least: smallest diameter, as a share of the shorter side; the largest is the whole side.
        shift: how far its centre may lie from the image's, as a share of the shorter side.
        p: probability that it is applied.
    """
    from .field_of_view import FieldOfView

    return FieldOfView(least=least, shift=shift, p=p)


def _looks_like_it(root: Path) -> Mapping[str, Any] | None:
    """What ``hw1cli data inspect`` asks: is there one .npz with the usual arrays?"""
    files = list(root.glob("*.npz"))
    if len(files) != 1:
        return None
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(files[0]) as archive:
            there = set(archive.namelist())
    except (BadZipFile, OSError):
        return None
    return {"root": root} if {"train_images.npy", "train_labels.npy"} <= there else None


@guessed_by(_looks_like_it)
def medmnist(*, root: Path, evaluate: Literal["val", "test"] = "val", class_names: list[str] | None = None) -> MedMnist:
    """A data set of MedMNIST (Yang et al., 2023): one .npz file with the images and labels of all splits.

    Args:
        root: the file, or the folder that holds it and no other .npz file.
        evaluate: the split to evaluate on.
        class_names: in the order of the labels; the labels' numbers when null.
    """
    from .medmnist import MedMnist

    return MedMnist(root, evaluate, class_names)


def spots(*, train: Count = 400, val: Count = 100, size: Annotated[int, Range(16, 512)] = 32, seed: int = 0) -> Spots:
    """Draws round fields with 0 to 12 bright spots, graded 0 to 4 by their number, in MedMNIST's form; not real data.

    Args:
        train: number of training images.
        val: number of evaluation images.
        size: width and height in pixels.
        seed: seed of the random generator.
    """
    from .spots import Spots

    return Spots(train, val, size, seed)


def calibration(*, at: list[int | str] = _LAST, bins: Count = 10) -> Calibration:
    """How far the model's probabilities can be believed: a reliability diagram, with the expected calibration error.

    Args:
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        bins: ranges of probability (Guo et al., 2017).
    """
    from .calibration import Calibration

    return Calibration(at, bins)
