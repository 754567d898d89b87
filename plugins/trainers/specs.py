"""Specs of the supervised trainers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from registry import FromData, InputError, Loss, Metric, Model, Positive, Probability, Range, preflighted_by

if TYPE_CHECKING:
    from registry.engine import Task

_MIOU = ["miou"]
_ACCURACY = ["accuracy"]
_MAP = ["map"]


def segmentation(
    *,
    model: Model,
    loss: Loss,
    metrics: list[Metric] = _MIOU,
    class_colors: FromData[Any] = None,
    class_names: FromData[list[str] | None] = None,
) -> Task:
    """Semantic segmentation: a class for every pixel.

    Args:
        model: images to (B, classes, H, W) logits.
        loss: of logits and masks.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        class_colors, class_names: for pictures.
    """
    from .segmentation import Segmentation

    return Segmentation(model, loss, metrics, class_colors, class_names or [])


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


def _require_trained_teacher(arguments: Mapping[str, Any]) -> None:
    if arguments["teacher"].start.kind == "random":
        hint = "give it the weights of a run or a file: teacher: {use: NAME, weights: RUN}"
        raise InputError.of("trainer", "the teacher starts from random weights, and would teach noise", hint)


def multilabel(
    *,
    model: Model,
    loss: Loss = "binary_cross_entropy",
    metrics: list[Metric] = _MAP,
    threshold: Probability = 0.5,
) -> Task:
    """Multilabel classification: any number of classes for every image.

    Args:
        model: images to (B, classes) logits.
        loss: of logits and flags.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        threshold: probability from which predict gives an image a class.
    """
    from .multilabel import Multilabel

    return Multilabel(model, loss, metrics, threshold)


@preflighted_by(_require_trained_teacher)
def distillation(
    *,
    model: Model,
    teacher: Model,
    loss: Loss = "cross_entropy",
    metrics: list[Metric] = _ACCURACY,
    temperature: Positive = 4.0,
    teacher_weight: Probability = 0.9,
    mean: FromData[Any] = None,
) -> Task:
    """Image classification learned from labels and from a larger network's predictions (Hinton et al., 2015).

    Args:
        model: the student: images to (B, classes) logits.
        teacher: a trained model of the same classes; give it `weights`, such as those of a run.
        loss: of logits and labels.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        temperature: by which logits are divided before both distributions are compared.
        teacher_weight: share of the teacher in the loss; the rest is that of the labels.
        mean: of the data; where it is given, the teacher gets the images as the student does.
    """
    from .distillation import Distillation

    return Distillation(model, loss, metrics, teacher, temperature, teacher_weight, own_statistics=bool(mean))


@preflighted_by(_require_trained_teacher)
def segmentation_distillation(
    *,
    model: Model,
    teacher: Model,
    loss: Loss,
    metrics: list[Metric] = _MIOU,
    temperature: Positive = 4.0,
    teacher_weight: Probability = 0.5,
    class_colors: FromData[Any] = None,
    ignore_index: FromData[int | None] = None,
    mean: FromData[Any] = None,
) -> Task:
    """Semantic segmentation learned from masks and from a larger network's predictions, pixel by pixel.

    Args:
        model: the student: images to (B, classes, H, W) logits.
        teacher: a trained model of the same classes; give it `weights`, such as those of a run.
        loss: of logits and masks.
        metrics: scores over the evaluation images; the first one chooses the best checkpoint.
        temperature: by which logits are divided before both distributions are compared.
        teacher_weight: share of the teacher in the loss; the rest is that of the masks.
        class_colors: for pictures.
        ignore_index: the label that is not learned, from the teacher neither.
        mean: of the data; where it is given, the teacher gets the images as the student does.
    """
    from .distillation import SegmentationDistillation

    more = {"class_colors": class_colors, "ignore_index": ignore_index, "own_statistics": bool(mean)}
    return SegmentationDistillation(model, loss, metrics, teacher, temperature, teacher_weight, **more)
