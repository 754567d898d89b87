"""Scores over a whole evaluation split, counted on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from registry import InputError


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
        # Rows are the truth, with one more for ignored pixels; columns are the prediction.
        self.counts = torch.zeros(self.classes + 1, self.classes, dtype=torch.long)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), target (B, H, W)."""
        if target.dim() != 3:
            raise InputError.of("metrics", "miou counts pixels, and these targets are labels", "use accuracy")
        predicted = logits.max(1).indices  # several times faster than argmax over this layout
        truth = target if self.ignored is None else target.where(target != self.ignored, self.classes)
        # One more class for ignored pixels on both sides; nothing is ever predicted as that.
        cells = multiclass_confusion_matrix(predicted, truth, self.classes + 1, validate_args=False)
        self.counts = self.counts.to(cells.device) + cells[:, : self.classes]

    def compute(self) -> dict[str, float]:
        """``miou``, ``pixel_accuracy``, ``iou/<class>`` for the classes that occur, and ``constant/miou``.

        The last is what the best constant prediction reaches: a score has to beat it to mean anything.
        """
        counts = self.counts.cpu()
        known = counts[: self.classes]
        counted = counts if self.count_against else known
        right, truth = known.diag(), known.sum(1)
        union = counted.sum(0) + truth - right
        figures = {}
        for index in range(self.classes):
            if index != self.ignored and union[index]:
                figures[self.names[index]] = float(right[index] / union[index])
        mean = sum(figures.values()) / len(figures) if figures else 0.0
        shares = [float(truth[i] / counted.sum().clamp(min=1)) for i in range(self.classes) if i != self.ignored]
        constant = max(shares, default=0.0) / max(sum(share > 0 for share in shares), 1)
        return {
            "miou": mean,
            "pixel_accuracy": float(right.sum() / known.sum().clamp(min=1)),
            **{f"iou/{name}": iou for name, iou in figures.items()},
            "constant/miou": constant,
        }


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
        if target.dim() != 1:
            raise InputError.of("metrics", "accuracy counts images, and these targets are masks", "use miou")
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
