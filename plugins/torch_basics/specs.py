"""Specs of the plain torch components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from registry import Backbone, FromData, InputError, Loss, Positive, Probability, Range

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

NotNegative = Annotated[float, Range(0)]


def adamw(
    *,
    params: FromData[list[Any]],
    lr: Positive = 1e-3,
    weight_decay: NotNegative = 0.01,
    betas: tuple[Probability, Probability] = (0.9, 0.999),
    eps: Positive = 1e-8,
) -> Optimizer:
    """AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Args:
        lr: learning rate, before the schedule.
        weight_decay: share of a weight, times lr, that is taken away in each step.
        betas: decay of the running means of the gradient and of its square.
        eps: keeps the denominator from zero.
    """
    from torch.optim import AdamW

    return AdamW(params, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps, fused=True)


def adam(
    *,
    params: FromData[list[Any]],
    lr: Positive = 1e-3,
    weight_decay: NotNegative = 0.0,
    betas: tuple[Probability, Probability] = (0.9, 0.999),
    eps: Positive = 1e-8,
) -> Optimizer:
    """Adam (Kingma and Ba, 2015); weight decay is added to the gradient.

    Args:
        lr: learning rate, before the schedule.
        weight_decay: L2 penalty, added to the gradient.
        betas: decay of the running means of the gradient and of its square.
        eps: keeps the denominator from zero.
    """
    from torch.optim import Adam

    return Adam(params, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps, fused=True)


def sgd(
    *,
    params: FromData[list[Any]],
    lr: Positive = 0.1,
    momentum: Probability = 0.9,
    weight_decay: NotNegative = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """Stochastic gradient descent with momentum.

    Args:
        lr: learning rate, before the schedule.
        momentum: share of the last step that goes on.
        weight_decay: L2 penalty, added to the gradient.
        nesterov: look ahead along the momentum (Sutskever et al., 2013).
    """
    from torch.optim import SGD

    return SGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True)


def constant(*, total_steps: FromData[int], warmup: Probability = 0.0) -> Callable[[int], float]:
    """The same learning rate all along, after an optional linear warm-up.

    Args:
        warmup: share of the run over which the rate rises from zero.
    """
    from .schedules import Constant

    return Constant(total_steps, warmup)


def cosine(
    *, total_steps: FromData[int], warmup: Probability = 0.0, floor: Probability = 0.0
) -> Callable[[int], float]:
    """Half a cosine from the full rate to a floor (Loshchilov and Hutter, 2017), after a linear warm-up.

    Args:
        warmup: share of the run over which the rate rises from zero.
        floor: factor that is left at the end.
    """
    from .schedules import Cosine

    return Cosine(total_steps, warmup, floor)


def polynomial(
    *, total_steps: FromData[int], warmup: Probability = 0.0, power: Positive = 0.9
) -> Callable[[int], float]:
    """(1 - progress) to a power, the usual schedule of DeepLab (Chen et al., 2017), after a linear warm-up.

    Args:
        warmup: share of the run over which the rate rises from zero.
        power: the exponent.
    """
    from .schedules import Polynomial

    return Polynomial(total_steps, warmup, power)


def step(
    *, total_steps: FromData[int], at: list[Probability], factor: Positive = 0.1, warmup: Probability = 0.0
) -> Callable[[int], float]:
    """The rate is multiplied by a factor at given shares of the run.

    Args:
        at: shares of the run, such as [0.5, 0.75].
        factor: what the rate is multiplied by at each of them.
        warmup: share of the run over which the rate rises from zero.
    """
    from .schedules import Steps

    return Steps(total_steps, warmup, tuple(at), factor)


def cross_entropy(
    *,
    ignore_index: FromData[int | None] = None,
    label_smoothing: Probability = 0.0,
    weights: list[NotNegative] | Literal["balanced"] | None = None,
    num_classes: FromData[int | None] = None,
    class_counts: FromData[Any] = None,
) -> nn.Module:
    """Softmax cross-entropy, for (B, classes) and (B, classes, H, W) logits; a mean over what is not ignored.

    Balanced weights are those of scikit-learn: a class's factor is total / (classes * count), so that all classes weigh
    the same. Total and classes are those that occur in the training split and are not ignored; the others weigh 0.

    Args:
        ignore_index: the label that is not to be learned.
        label_smoothing: share of the target spread over all classes (Szegedy et al., 2016).
        weights: a factor for each class, or balanced.
        num_classes: how many weights there must be.
        class_counts: pixels, or images, of each class, for balanced weights.
    """
    from .cross_entropy import CrossEntropy, balanced

    if weights == "balanced":
        # Counting may mean to read every mask, so that the run supplies a function.
        counts = class_counts() if callable(class_counts) else class_counts
        return CrossEntropy(ignore_index, label_smoothing, balanced(counts, ignore_index))
    if weights is not None and num_classes is not None and len(weights) != num_classes:
        raise InputError.of(
            "weights", f"has {len(weights)} factors for {num_classes} classes", "give one for each class"
        )
    return CrossEntropy(ignore_index, label_smoothing, weights)


def binary_cross_entropy(*, positive_weight: Positive = 1.0) -> nn.Module:
    """Sigmoid cross-entropy of several labels of an image, the mean over images and classes.

    Args:
        positive_weight: factor of the loss where an image has a class; above 1 finds more of rare classes.
    """
    from .binary_cross_entropy import BinaryCrossEntropy

    return BinaryCrossEntropy(positive_weight)


def weighted_sum(*, losses: list[Loss], weights: list[NotNegative] | None = None) -> nn.Module:
    """The sum of several losses, each times its weight.

    Args:
        losses: of the same logits and targets, such as [cross_entropy, smp/dice].
        weights: a factor for each loss; default 1.
    """
    from .weighted_sum import WeightedSum

    if not losses:
        raise InputError.of("losses", "is empty", "name at least one loss")
    if weights is not None and len(weights) != len(losses):
        message = f"has {len(weights)} factors for {len(losses)} losses"
        raise InputError.of("weights", message, "give one for each loss, in their order")
    return WeightedSum(losses, weights or [1.0] * len(losses))


def classifier(
    *,
    backbone: Backbone,
    num_classes: FromData[int],
    dropout: Probability = 0.0,
    freeze: Literal["none", "backbone"] = "none",
) -> nn.Module:
    """A linear head on the globally averaged last map of any backbone.

    Args:
        backbone: what sees the image.
        num_classes: outputs of the head.
        dropout: share of the pooled features that is dropped in training.
        freeze: backbone: only the head learns; the backbone, its batch norm statistics included, stays as it started.
    """
    from .classifier import Classifier

    return Classifier(backbone, num_classes, dropout, freeze)
