"""A loss for ordered classes."""

from __future__ import annotations

from torch import Tensor, nn


class SquaredEarthMovers(nn.Module):
    """Mean over the batch of sum_k (P_k - T_k)^2, P and T the cumulative distributions (Hou et al., 2016, eq. 4).

    For classes on a line this is the squared work of moving the predicted probability to where it belongs: probability
    on a class far off costs more than on the next one.

    Args:
        ignore_index: samples with this label are left out; None keeps all.
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, ...) logits and (B, ...) int64 labels -> scalar."""
        logits = logits.movedim(1, -1).flatten(0, -2).float()
        target = target.flatten()
        if self.ignore_index is not None:
            kept = target != self.ignore_index
            logits, target = logits[kept], target[kept]
        predicted = logits.softmax(1).cumsum(1)
        true = nn.functional.one_hot(target, logits.shape[1]).cumsum(1)
        return (predicted - true).square().sum() / max(len(target), 1)
