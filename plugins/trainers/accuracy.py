"""Accuracy over a whole evaluation split, counted on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from registry import InputError


class Accuracy:
    """Shares of images classified rightly, in all and class by class.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own figures; their numbers when None.
        top: number of guesses of the second figure.
    """

    headline = "accuracy"

    def __init__(self, num_classes: int, class_names: Sequence[str] | None, top: int) -> None:
        self.classes = num_classes
        self.names = list(class_names or map(str, range(num_classes)))
        self.top = top if top < num_classes else 1
        self.reset()

    def reset(self) -> None:
        """Forget every count."""
        # Rows are the truth, columns the prediction.
        self.counts = torch.zeros(self.classes, self.classes, dtype=torch.long)
        self.among = torch.zeros((), dtype=torch.long)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes), target (B,)."""
        if target.dim() != 1:
            raise InputError.of("metrics", "accuracy counts images, and these targets are masks", "use miou")
        guesses = logits.topk(self.top, dim=1).indices
        cells = multiclass_confusion_matrix(guesses[:, 0], target, self.classes, validate_args=False)
        self.counts = self.counts.to(cells.device) + cells
        self.among = self.among.to(cells.device) + (guesses == target[:, None]).sum()

    def compute(self) -> dict[str, float]:
        """``accuracy``; ``top<k>`` where there are enough classes; ``balanced_accuracy``, the mean over the classes
        that occur; ``accuracy/<class>`` of each of these; and ``constant/accuracy``.

        The last is what always naming the most frequent class reaches: a score has to beat it to mean anything.
        """
        counts = self.counts.cpu()
        right, truth = counts.diag().tolist(), counts.sum(1).tolist()
        images = max(sum(truth), 1)
        recalls = {self.names[c]: right[c] / truth[c] for c in range(self.classes) if truth[c]}
        figures = {"accuracy": sum(right) / images}
        if self.top > 1:
            figures[f"top{self.top}"] = float(self.among) / images
        return {
            **figures,
            "balanced_accuracy": sum(recalls.values()) / max(len(recalls), 1),
            **{f"accuracy/{name}": recall for name, recall in recalls.items()},
            "constant/accuracy": max(truth) / images,
        }
