"""Several losses as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WeightedSum(nn.Module):
    """See the spec ``weighted_sum``.

    Args:
        losses: (logits, target) -> scalar.
        weights: one for each.
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)
        self.weights = tuple(weights)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Shapes as the losses want them."""
        parts = [weight * loss(logits, target) for weight, loss in zip(self.weights, self.losses, strict=True)]
        return torch.stack(parts).sum()
