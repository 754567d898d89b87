"""Cross-entropy that stays finite where nothing is to be learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError

#: What torch ignores by default; no class has it.
_NOTHING = -100


class CrossEntropy(nn.Module):
    """See the spec ``cross_entropy``."""

    weights: Tensor | None

    def __init__(self, ignore_index: int | None, label_smoothing: float, weights: Sequence[float] | None) -> None:
        super().__init__()
        self.ignore_index = _NOTHING if ignore_index is None else ignore_index
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", torch.tensor(weights) if weights else None, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss over the targets that are not ignored; zero, with a gradient of zero, where all are.

        Args:
            logits: (B, classes) or (B, classes, H, W).
            target: (B,) or (B, H, W) int64; or (B, classes) float shares.
        """
        if target.is_floating_point():
            return F.cross_entropy(logits, target, self.weights, label_smoothing=self.label_smoothing)
        total = F.cross_entropy(
            logits,
            target,
            self.weights,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        counted = target != self.ignore_index
        share = counted.sum() if self.weights is None else (self.weights[target.where(counted, 0)] * counted).sum()
        # torch's own mean divides by zero where every label is ignored
        return total / share.clamp(min=torch.finfo(total.dtype).tiny)


def balanced(counts: Sequence[int] | None, ignore_index: int | None) -> list[float]:
    """A factor for each class with which all classes weigh the same: total / (classes * count).

    As scikit-learn's ``class_weight="balanced"``: the mean factor of a pixel is 1. Total and classes are those that
    occur and are not ignored; the others' factor is 0.

    Args:
        counts: pixels, or images, of each class; None where the data do not tell.
        ignore_index: the label that is not to be learned.

    Raises:
        InputError: there is nothing to count.
    """
    if counts is None:
        hint = "give a list of factors, one for each class"
        raise InputError.of("weights", "cannot be balanced: the data do not tell how often each class occurs", hint)
    learned = [0 if index == ignore_index else count for index, count in enumerate(counts)]
    classes = sum(count > 0 for count in learned)
    if not classes:
        raise InputError.of("weights", "cannot be balanced: the training split holds no class to be learned")
    return [sum(learned) / (classes * count) if count else 0.0 for count in learned]
