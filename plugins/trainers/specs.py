"""Specs of the supervised trainers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from registry import FromData, Loss, Metric, Model, Range

if TYPE_CHECKING:
    from registry.engine import Task

_MIOU = ["miou"]
_ACCURACY = ["accuracy"]


def segmentation(
    *,
    model: Model,
    loss: Loss,
    metrics: list[Metric] = _MIOU,
    class_colors: FromData[Any] = None,
    ignore_index: FromData[int | None] = None,
    class_names: FromData[list[str] | None] = None,
) -> Task:
    """Semantic segmentation: a class for every pixel.

    Args:
        model: images to (B, classes, H, W) logits.
        loss: of logits and masks.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        class_colors, class_names: for pictures.
        ignore_index: the label that the loss leaves out.
    """
    from .segmentation import Segmentation

    return Segmentation(model, loss, metrics, class_colors, class_names or [], ignore_index)


def classification(
    *,
    model: Model,
    loss: Loss = "cross_entropy",
    metrics: list[Metric] = _ACCURACY,
    mixup: Annotated[float, Range(0)] = 0.0,
    cutmix: Annotated[float, Range(0)] = 0.0,
) -> Task:
    """Image classification: a class for every image.

    Args:
        model: images to (B, classes) logits.
        loss: of logits and labels.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        mixup: alpha of mixup (Zhang et al., 2018), such as 0.2: images are added up in pairs; 0 for none.
        cutmix: alpha of CutMix (Yun et al., 2019), such as 1: a rectangle of another image is pasted; 0 for none. With
            mixup, each batch has the one or the other.
    """
    from .classification import Classification

    return Classification(model, loss, metrics, mixup, cutmix)
