"""Softmax focal loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Focal(nn.Module):
    """See the spec ``focal``."""

    def __init__(self, alpha: float, gamma: float, ignore_index: int | None) -> None:
        super().__init__()
        self.alpha, self.gamma, self.ignore_index = alpha, gamma, ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean focal loss of what is not ignored; zero, with a gradient of zero, where everything is.

        Args:
            logits: (B, classes) or (B, classes, H, W).
            target: (B,) or (B, H, W) int64.
        """
        ignored = -100 if self.ignore_index is None else self.ignore_index
        # cross_entropy is -log p_t, and 0 where ignored
        entropy = F.cross_entropy(logits, target, ignore_index=ignored, reduction="none")
        # the slope of a power below 1 is infinite at 0, which is where ignored pixels lie
        missing = (-torch.expm1(-entropy)).clamp(min=torch.finfo(entropy.dtype).tiny)
        focal = self.alpha * missing.pow(self.gamma) * entropy
        return focal.sum() / (target != ignored).sum().clamp(min=1)
