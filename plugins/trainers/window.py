"""Windows of the supervised trainers and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from registry import Count, FromData, Loss, Metric, Model

if TYPE_CHECKING:
    from registry.engine.task import Task

_MIOU = ["miou"]
_ACCURACY = ["accuracy"]


def segmentation(
    *, model: Model, loss: Loss, metrics: list[Metric] = _MIOU, class_colors: FromData[Any] = None
) -> Task:
    """Semantic segmentation: a class for every pixel.

    Args:
        model: images to (B, classes, H, W) logits.
        loss: of logits and masks.
        metrics: scores over the evaluation images; the first one's headline chooses the best checkpoint.
        class_colors: for pictures.
    """
    from .segmentation import Segmentation

    return Segmentation(model, loss, metrics, class_colors)


def classification(*, model: Model, loss: Loss = "cross_entropy", metrics: list[Metric] = _ACCURACY) -> Task:
    """Image classification: a class for every image.

    Args:
        model: images to (B, classes) logits.
        loss: of logits and labels.
        metrics: scores over the evaluation images; the first one's headline chooses the best checkpoint.
    """
    from .classification import Classification

    return Classification(model, loss, metrics)


def miou(
    *,
    num_classes: FromData[int],
    class_names: FromData[list[str] | None] = None,
    ignore_index: FromData[int | None] = None,
    ignored_pixels: Literal["leave_out", "count_against"] = "leave_out",
) -> Any:
    """Mean intersection over union, over all evaluation pixels pooled, with each class's IoU and the pixel accuracy.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own IoU.
        ignore_index: the label that is no class; where it is one of the model's classes, it is left out of the mean.
        ignored_pixels: leave_out forgets pixels with that label; count_against lets a class predicted there count
            against that class, as NTU's DLCV course measures.
    """
    from .scores import MeanIoU

    return MeanIoU(num_classes, class_names, ignore_index, ignored_pixels == "count_against")


def accuracy(*, num_classes: FromData[int], top: Count = 5) -> Any:
    """Share of images whose class is right, and whose class is among the first ``top``.

    Args:
        num_classes: classes of the model.
        top: the second figure's number of guesses; left out where there are not more classes than that.
    """
    from .scores import Accuracy

    return Accuracy(num_classes, top)
