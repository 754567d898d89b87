"""Cross-entropy that stays finite where nothing is to be learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: What torch ignores when nothing is said; no class has it.
_NOTHING = -100


class CrossEntropy(nn.Module):
    """See the window ``cross_entropy``."""

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
