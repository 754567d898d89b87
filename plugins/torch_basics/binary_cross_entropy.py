"""Binary cross-entropy of several labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BinaryCrossEntropy(nn.Module):
    """Mean over images and classes of the sigmoid cross-entropy.

    Args:
        positive_weight: factor of the loss where an image has a class.
    """

    positive_weight: Tensor

    def __init__(self, positive_weight: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("positive_weight", torch.tensor(positive_weight), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits (B, classes) and flags (B, classes) -> a scalar."""
        return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=self.positive_weight)
