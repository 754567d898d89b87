"""Accuracy over a whole evaluation split, counted on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from registry import InputError
from registry.engine import Classes, ConfusionMetric


class Accuracy(ConfusionMetric):
    """Shares of images that are classified correctly, overall and class by class.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores; their numbers when None.
        top: number of guesses of the second score.
        ignore_index: images with this label are left out.
    """

    headline = "accuracy"
    among: Tensor

    def __init__(
        self, num_classes: int, class_names: Sequence[str] | None, top: int, ignore_index: int | None = None
    ) -> None:
        super().__init__(Classes.of(class_names or [str(label) for label in range(num_classes)], None, ignore_index))
        self.top = top if top < num_classes else 1
        self.add_state("among", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes), target (B,)."""
        if target.dim() != 1:
            raise InputError.of("metrics", "accuracy counts images, but these targets are masks", "use miou")
        super().update(logits, target)
        if self.top > 1:
            among = (logits.topk(self.top, dim=1).indices == target[:, None]).any(1)
            if self.classes.ignore_index is not None:
                among &= target != self.classes.ignore_index
            self.among += among.sum()

    def compute(self) -> dict[str, float]:
        """``accuracy``; ``top<k>`` where there are enough classes; ``balanced_accuracy``, the mean over the classes
        that occur; ``accuracy/<class>`` of each of these; and ``constant/accuracy``.

        The last is what always naming the most frequent class reaches: a score has to beat it to mean anything.
        """
        confusion = self.confusion
        scores = {"accuracy": confusion.accuracy or 0.0}
        if self.top > 1:
            scores[f"top{self.top}"] = int(self.among) / max(int(confusion.known.sum()), 1)
        return {
            **scores,
            "balanced_accuracy": confusion.mean("recall") or 0.0,
            **{f"accuracy/{name}": recall for name, recall in confusion.of_classes("recall").items()},
            "constant/accuracy": confusion.constant_accuracy,
        }
