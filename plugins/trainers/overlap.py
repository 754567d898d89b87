"""How much predicted and true regions overlap, from one confusion matrix kept on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from registry import InputError, did_you_mean

#: A note names this many classes.
_MOST_NAMED: Final = 10


class MeanIoU:
    """Intersection over union and Dice of each class, their means, and the pixel accuracy, over all pixels pooled.

    With P the prediction and G the truth, the IoU of class c is |P=c and G=c| / (|P=c| + |G=c| - |P=c and G=c|) and its
    Dice 2 |P=c and G=c| / (|P=c| + |G=c|). A class that neither P nor G holds has neither figure and is left out of the
    means; one that is predicted but nowhere true has 0.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own figures; their numbers when None.
        ignore_index: the label that is not to be learned, one of the classes or none of them.
        count_against: whether a class predicted on an ignored pixel enlarges that class's |P=c|.
        left_out: names of the classes left out of the means; when None, the one of `ignore_index`.
        per_class: the figures given class by class, ``iou`` and ``dice``.

    Raises:
        InputError: see ``kept_classes``.
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
        self.classes = num_classes
        self.names = list(class_names or map(str, range(num_classes)))
        self.ignored = ignore_index
        self.count_against = count_against
        self.kept = kept_classes(self.names, ignore_index, left_out, ignored_may_count=count_against)
        self.per_class = tuple(per_class)
        self.reset()

    def reset(self) -> None:
        """Forget every count."""
        # Rows are the truth, with one more for an ignored label that is no class; columns are the prediction.
        self.counts = torch.zeros(self.classes + 1, self.classes, dtype=torch.long)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), target (B, H, W)."""
        require_masks(target, self.headline)
        predicted = logits.max(1).indices  # several times faster than argmax over this layout
        truth = target if self.ignored is None else target.where(target != self.ignored, self._ignored_row())
        # One more class on both sides; nothing is ever predicted as that.
        cells = multiclass_confusion_matrix(predicted, truth, self.classes + 1, validate_args=False)
        self.counts = self.counts.to(cells.device) + cells[:, : self.classes]

    def compute(self) -> dict[str, float]:
        """``miou``, ``dice``, ``pixel_accuracy``, the figures of each class that occurs, and ``constant/miou``.

        The pixel accuracy is that of the pixels that are not ignored. The last figure is what the best constant
        prediction reaches: a score has to beat it to mean anything.
        """
        known, counted = self._without_ignored(), self._counted()
        truth = counted[: self.classes].sum(1)
        ious, dices = overlaps(counted.diag(), truth, counted.sum(0), self.names, self.kept)
        figures = {
            "miou": mean(ious),
            "dice": mean(dices),
            "pixel_accuracy": float(known.diag().sum() / known.sum().clamp(min=1)),
        }
        for name, own in (("iou", ious), ("dice", dices)):
            if name in self.per_class:
                figures |= {f"{name}/{label}": value for label, value in own.items()}
        occurring = [float(truth[index]) for index in self.kept if truth[index]]
        constant = max(occurring, default=0.0) / max(float(counted.sum()), 1.0) / max(len(occurring), 1)
        return {**figures, "constant/miou": constant}

    def notes(self) -> list[str]:
        """How the classes of the mean are counted that no evaluation pixel belongs to."""
        return absence(self._counted().sum(1), self.names, self.kept, self.headline)

    def _ignored_row(self) -> int:
        return self.classes if self.ignored is None or not 0 <= self.ignored < self.classes else self.ignored

    def _without_ignored(self) -> Tensor:
        known = self.counts.cpu().clone()
        known[self._ignored_row()] = 0
        return known

    def _counted(self) -> Tensor:
        """What IoU and Dice go by: (classes + 1, classes)."""
        return self.counts.cpu() if self.count_against else self._without_ignored()


def require_masks(target: Tensor, metric: str) -> None:
    """Raises:
    InputError: the targets are labels of images.
    """
    if target.dim() != 3:
        raise InputError.of("metrics", f"{metric} counts pixels, and these targets are labels", "use accuracy")


def kept_classes(
    names: Sequence[str], ignore_index: int | None, left_out: Sequence[str] | None, *, ignored_may_count: bool
) -> list[int]:
    """The classes that a mean is taken over.

    Args:
        names: of all classes.
        ignore_index: the label that is not to be learned.
        left_out: names of those not in the mean; when None, the one of `ignore_index`, if that is a class.
        ignored_may_count: whether the class of `ignore_index` can have a figure at all.

    Raises:
        InputError: no class has such a name, no class remains, or a class is kept whose pixels are forgotten.
    """
    ignored = names[ignore_index] if ignore_index is not None and 0 <= ignore_index < len(names) else None
    if left_out is None:
        left_out = [] if ignored is None else [ignored]
    for name in left_out:
        if name not in names:
            hint = did_you_mean(name, names, f"the classes are {', '.join(names[:_MOST_NAMED])}")
            raise InputError.of("left_out", f"there is no class {name!r}", hint)
    if ignored is not None and ignored not in left_out and not ignored_may_count:
        message = f"{ignored!r} is the class that is ignored, so it cannot be in the mean"
        raise InputError.of("left_out", message, f"name {ignored!r} here too, or leave it to the default")
    kept = [index for index, name in enumerate(names) if name not in left_out]
    if not kept:
        raise InputError.of("left_out", "leaves no class to take the mean over", "name fewer classes")
    return kept


def overlaps(
    both: Tensor, truth: Tensor, predicted: Tensor, names: Sequence[str], kept: Sequence[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """IoU and Dice of the kept classes that occur in the truth or in the prediction, by name.

    Args:
        both, truth, predicted: pixels of each class in both, in the truth, in the prediction; (classes,) each.
        names: of all classes.
        kept: the indices of the classes wanted.
    """
    ious, dices = {}, {}
    for index in kept:
        shared, sizes = int(both[index]), int(truth[index] + predicted[index])
        if sizes:
            ious[names[index]] = shared / (sizes - shared)
            dices[names[index]] = 2 * shared / sizes
    return ious, dices


def mean(figures: dict[str, float]) -> float:
    """Of all values; 0 of none."""
    return sum(figures.values()) / max(len(figures), 1)


def absence(truth: Tensor, names: Sequence[str], kept: Sequence[int], metric: str) -> list[str]:
    """The sentence that says how a metric counts kept classes that no evaluation pixel belongs to; nothing for none."""
    absent = [names[index] for index in kept if not truth[index]]
    if not absent:
        return []
    named = ", ".join(absent[:_MOST_NAMED])
    more = f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
    counted = "such a class has 0 where it is predicted, and is left out of the mean where it is not"
    return [f"{metric}: no evaluation pixel is {named}{more}; {counted}"]
