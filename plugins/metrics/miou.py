"""Mean intersection over union, from one confusion matrix of all evaluation pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from registry import InputError
from registry.engine import Classes, ConfusionMetric


class MeanIoU(ConfusionMetric):
    """Intersection over union and Dice of each class, their means, and the pixel accuracy, over all pixels pooled.

    The formulas are those of ``registry.engine.Confusion``, which ``hw1cli evaluate`` uses too. A class that neither
    prediction nor truth holds has neither score and is left out of the means; one that is predicted but nowhere true
    has 0.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores; their numbers when None.
        ignore_index: the label that is not to be learned, one of the classes or not.
        count_against: whether a class predicted on an ignored pixel enlarges that class's prediction.
        left_out: names of the classes left out of the means; when None, the one of `ignore_index`.
        per_class: the scores given class by class, ``iou`` and ``dice``.

    Raises:
        InputError: see ``Classes.of``.
    """

    headline = "miou"

    def __init__(
        self,
        num_classes: int,
        class_names: Sequence[str] | None,
        ignore_index: int | None,
        count_against: bool = False,
        left_out: Sequence[str] | None = None,
        per_class: Sequence[str] = ("iou",),
    ) -> None:
        names = class_names or [str(label) for label in range(num_classes)]
        super().__init__(Classes.of(names, None, ignore_index, count_against=count_against, left_out=left_out))
        self.per_class = tuple(per_class)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), target (B, H, W)."""
        require_masks(target, self.headline)
        super().update(logits, target)

    def compute(self) -> dict[str, float]:
        """``miou``, ``dice``, ``pixel_accuracy``, the scores of each class that occurs, and ``constant/miou``.

        The pixel accuracy is that of the pixels that are not ignored. The last score is what the best constant
        prediction reaches: a score has to beat it to mean anything.
        """
        confusion = self.confusion
        scores = {name: confusion.mask_scores()[name] or 0.0 for name in ("miou", "dice", "pixel_accuracy")}
        for name in ("iou", "dice"):
            if name in self.per_class:
                scores |= {f"{name}/{label}": value for label, value in confusion.of_classes(name).items()}
        return {**scores, "constant/miou": confusion.constant_iou}

    def notes(self) -> list[str]:
        """How the classes of the mean are counted that no evaluation pixel belongs to."""
        return self.confusion.notes("pixel")


def require_masks(target: Tensor, metric: str) -> None:
    """Raises:
    InputError: the targets are labels of images.
    """
    if target.dim() != 3:
        raise InputError.of(
            "metrics", f"{metric} counts pixels, but these targets are labels of images", "use accuracy"
        )
