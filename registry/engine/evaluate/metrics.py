"""Metrics in a run: the confusion matrix accumulated on the device, and the scores of several metrics together."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from ..data.classes import Classes
from .confusion import Confusion


def count_images(predicted: Tensor, target: Tensor, classes: Classes) -> Tensor:
    """A confusion matrix for each image, on the device.

    Args:
        predicted: (B, ...) indices of classes, int64.
        target: (B, ...) true labels, int64; ``classes.ignore_index`` marks what is ignored.

    Returns:
        (B, K, K) int64, rows the truth, columns the prediction.
    """
    images, labels = len(target), len(classes)
    which = torch.arange(images, device=target.device).view(-1, *[1] * (target.dim() - 1))
    cells = ((which * labels + with_ignored(target, classes)) * labels + predicted).flatten()
    return torch.bincount(cells, minlength=images * labels * labels).view(images, labels, labels)


def with_ignored(target: Tensor, classes: Classes) -> Tensor:
    """The target with the index of the ignored label in place of the value that marks it in the data."""
    if classes.ignored is None or classes.ignore_index is None:
        return target
    return target.where(target != classes.ignore_index, classes.ignored)


class ConfusionMetric(Metric):
    """A metric that follows from a confusion matrix of all images together; subclasses define ``compute``.

    Args:
        classes: the labels and which of them count.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    counts: Tensor

    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("counts", torch.zeros(len(classes), len(classes), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, ...), target (B, ...)."""
        # Several times faster than argmax over this layout.
        self.counts += count_images(logits.max(1).indices, target, self.classes).sum(0)

    @property
    def confusion(self) -> Confusion:
        """The matrix of what was counted since the last reset."""
        return Confusion(self.counts.cpu().numpy(), self.classes)


class Scores:
    """The metrics of a run: updated together, and their values in one flat dict.

    A metric whose ``compute()`` gives a number is named as in the recipe (``torchmetrics/MulticlassF1Score`` becomes
    ``MulticlassF1Score``); one that gives a dict names its scores itself. Where a name is taken, ``_2`` is added.

    Args:
        metrics: a ``torchmetrics.Metric`` each; the first one chooses the best checkpoint.

    Attributes:
        monitor: the score that chooses it: the metric's name, its ``headline``, or the first key of its dict; ``loss``
            without metrics.
        higher_is_better: of that score.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        for metric in metrics:
            if not isinstance(metric, Metric):
                raise TypeError(f"expected metrics to be torchmetrics.Metric, got {type(metric).__name__}")
        self.metrics = list(metrics)  # a plain list, not a ModuleList: a checkpoint does not hold scores
        self.monitor = _headline(metrics[0]) if metrics else "loss"
        self.higher_is_better = bool(metrics) and metrics[0].higher_is_better is not False

    def reset(self) -> None:
        """Forget every batch."""
        for metric in self.metrics:
            metric.reset()

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Take a batch in: logits (B, classes, ...) float, target (B, ...) int64."""
        for metric in self.metrics:
            if metric.device != logits.device:
                metric.to(logits.device)
            metric.update(logits, target)

    def compute(self) -> dict[str, float]:
        """The scores over all batches since ``reset``."""
        scores: dict[str, float] = {}
        for metric in self.metrics:
            value = metric.compute()
            for name, score in (value if isinstance(value, Mapping) else {_name_of(metric): value}).items():
                names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
                scores[next(free for free in names if free not in scores)] = float(score)
        return scores

    def notes(self) -> list[str]:
        """What the metrics report besides scores, such as classes that do not occur."""
        readers: Iterator[Any] = (getattr(metric, "notes", None) for metric in self.metrics)
        return list(dict.fromkeys(text for read in readers if read is not None for text in read()))


def _name_of(metric: Any) -> str:
    """The name of a metric's single score: the metric's name in the recipe, else that of its class."""
    return str(getattr(metric, "score_name", type(metric).__name__))


def _headline(metric: Metric) -> str:
    if hasattr(metric, "headline"):
        return str(metric.headline)
    with warnings.catch_warnings():  # torchmetrics warns that nothing was counted yet
        warnings.simplefilter("ignore")
        try:
            value = metric.compute()
        except Exception:  # without any batch it may well fail; then it gives no dict to take the name from
            value = None
    metric.reset()
    return str(next(iter(value))) if isinstance(value, Mapping) and value else _name_of(metric)
