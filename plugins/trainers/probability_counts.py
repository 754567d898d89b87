"""Counts from which the precision-recall curve of each class follows, at a bounded cost."""

from __future__ import annotations

import torch
from torch import Tensor

#: Bins of probabilities: TensorBoard draws a curve of as many thresholds.
BINS = 127
#: Pixels of a mask along an axis that are counted at most, evenly apart.
_SIDE = 64


def probability_counts(logits: Tensor, target: Tensor, left_out: int | None = None) -> Tensor:
    """How often each class has which probability, where it is not true and where it is.

    Args:
        logits: (B, K), or (B, K, H, W), of which some pixels are counted.
        target: labels (B,) or (B, H, W), or flags (B, K) of classes that do not exclude one another.
        left_out: the label of what does not count; labels beyond the K classes do not either.

    Returns:
        (K, 2, 127) int64; bin i holds the probabilities from i / 126 on.
    """
    classes = logits.shape[1]
    if logits.shape == target.shape:
        probabilities, flags = logits.sigmoid(), target.long()
    else:
        if logits.dim() == 4:
            steps = [-(-side // _SIDE) for side in target.shape[1:]]
            logits, target = (each[..., :: steps[0], :: steps[1]] for each in (logits, target))
        logits, target = logits.movedim(1, -1).reshape(-1, classes), target.reshape(-1)
        counts = (target >= 0) & (target < classes) & (target != (-1 if left_out is None else left_out))
        probabilities, target = logits[counts].softmax(1), target[counts]
        flags = (target[:, None] == torch.arange(classes, device=target.device)).long()
    which = torch.arange(classes, device=logits.device) * 2 + flags
    cells = which * BINS + (probabilities * (BINS - 1)).nan_to_num(0).long()
    return torch.bincount(cells.flatten(), minlength=classes * 2 * BINS).view(classes, 2, BINS)
