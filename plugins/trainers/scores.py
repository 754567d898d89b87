"""Scores over a whole evaluation split, counted on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class MeanIoU:
    """Mean intersection over union from one confusion matrix over all pixels.

    IoU of class c is |P=c and G=c| / (|P=c| + |G=c| - |P=c and G=c|). A class that neither the truth nor the prediction
    holds has no IoU and is left out of the mean.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own figures.
        ignore_index: the label that is not to be learned.
        count_against: whether a class predicted on an ignored pixel enlarges that class's union.
    """

    headline = "miou"

    def __init__(
        self, num_classes: int, class_names: Sequence[str] | None, ignore_index: int | None, count_against: bool
    ) -> None:
        self.classes = num_classes
        self.names = list(class_names or map(str, range(num_classes)))
        self.ignored = ignore_index
        self.count_against = count_against
        self.reset()

    def reset(self) -> None:
        """Forget every count."""
        # One more row for ignored pixels: rows are the truth, columns the prediction.
        self.counts = torch.zeros(self.classes + 1, self.classes, dtype=torch.long)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), target (B, H, W)."""
        predicted = logits.max(1).indices  # several times faster than argmax over this layout
        truth = target if self.ignored is None else target.where(target != self.ignored, self.classes)
        cells = torch.bincount((truth * self.classes + predicted).flatten(), minlength=self.counts.numel())
        self.counts = self.counts.to(cells.device) + cells.view_as(self.counts)

    def compute(self) -> dict[str, float]:
        """``miou``, ``pixel_accuracy`` and ``iou/<class>`` for the classes that occur."""
        counts = self.counts.cpu()
        known = counts[: self.classes]
        columns = counts.sum(0) if self.count_against else known.sum(0)
        right = known.diag()
        union = columns + known.sum(1) - right
        figures = {}
        for index in range(self.classes):
            if index != self.ignored and union[index]:
                figures[self.names[index]] = float(right[index] / union[index])
        mean = sum(figures.values()) / len(figures) if figures else 0.0
        accuracy = float(right.sum() / known.sum().clamp(min=1))
        return {"miou": mean, "pixel_accuracy": accuracy, **{f"iou/{name}": iou for name, iou in figures.items()}}


class Accuracy:
    """Share of images classified rightly.

    Args:
        num_classes: classes of the model.
        top: number of guesses of the second figure.
    """

    headline = "accuracy"

    def __init__(self, num_classes: int, top: int) -> None:
        self.top = top if top < num_classes else 1
        self.reset()

    def reset(self) -> None:
        """Forget every count."""
        self.right = self.among = torch.zeros((), dtype=torch.long)
        self.images = 0

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes), target (B,)."""
        hits = logits.topk(self.top, dim=1).indices == target[:, None]
        self.right = self.right.to(hits.device) + hits[:, 0].sum()
        self.among = self.among.to(hits.device) + hits.sum()
        self.images += len(target)

    def compute(self) -> dict[str, float]:
        """``accuracy`` and, where there are enough classes, ``top<k>``."""
        figures = {"accuracy": float(self.right) / max(self.images, 1)}
        if self.top > 1:
            figures[f"top{self.top}"] = float(self.among) / max(self.images, 1)
        return figures
