"""Specs of the scores of classification and segmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from registry import Count, FromData, Range

_IOU: list[Literal["iou", "dice"]] = ["iou"]


def miou(
    *,
    num_classes: FromData[int],
    class_names: FromData[list[str] | None] = None,
    ignore_index: FromData[int | None] = None,
    ignored_pixels: Literal["leave_out", "count_against"] = "leave_out",
    left_out: list[str] | None = None,
    per_class: list[Literal["iou", "dice"]] = _IOU,
) -> Any:
    """Mean intersection over union, over all evaluation pixels pooled, with each class's IoU, Dice and pixel accuracy.

    A class that is nowhere true has an IoU of 0 where it is predicted, else it is left out of the mean; the run reports
    both.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores.
        ignore_index: the label that is not to be learned.
        ignored_pixels: leave_out forgets pixels with that label; count_against lets a class predicted there count
            against that class, as NTU's DLCV course measures.
        left_out: names of the classes left out of the mean; default the ignored one, where it is a class. With
            count_against, [] makes it a class like any other.
        per_class: scores given class by class.
    """
    from .miou import MeanIoU

    against = ignored_pixels == "count_against"
    return MeanIoU(num_classes, class_names, ignore_index, against, left_out, per_class)


def boundary_iou(
    *,
    num_classes: FromData[int],
    class_names: FromData[list[str] | None] = None,
    ignore_index: FromData[int | None] = None,
    dilation_ratio: Annotated[float, Range(above=0, most=0.5)] = 0.02,
    left_out: list[str] | None = None,
) -> Any:
    """Boundary IoU (Cheng et al., 2021): IoU of the bands along the contours, over all evaluation images pooled.

    As in the authors' implementation the image's border counts as a contour. Ignored pixels are taken out of truth and
    prediction, and make no contour. Absent classes are counted as in miou.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores.
        ignore_index: the label that is not to be learned.
        dilation_ratio: width of a band, as a share of the image's diagonal; at least one pixel.
        left_out: names of the classes left out of the mean; default the ignored one, where it is a class.
    """
    from .boundary_iou import BoundaryIoU

    return BoundaryIoU(num_classes, class_names, ignore_index, dilation_ratio, left_out)


def accuracy(
    *,
    num_classes: FromData[int],
    class_names: FromData[list[str] | None] = None,
    ignore_index: FromData[int | None] = None,
    top: Count = 5,
) -> Any:
    """Share of images whose class is right, and whose class is among the first ``top``; also class by class.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores.
        ignore_index: the label of images that are left out.
        top: number of guesses of the second score, which needs more classes than that.
    """
    from .accuracy import Accuracy

    return Accuracy(num_classes, class_names, top, ignore_index)


def mean_average_precision(*, class_names: FromData[list[str]]) -> Any:
    """Multilabel: mean over the classes of the area under their precision-recall curves; also class by class.

    Args:
        class_names: names for the classes' own scores.
    """
    from .average_precision import MeanAveragePrecision

    return MeanAveragePrecision(class_names)
