"""Mixing images of a batch with one another: mixup and CutMix."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Mixed(NamedTuple):
    """A batch whose images are mixtures of two.

    Attributes:
        images: (B, C, H, W).
        first, second: (B,) labels of the two.
        share: of the first, 0.5..1.
    """

    images: Tensor
    first: Tensor
    second: Tensor
    share: float


def mix(images: Tensor, labels: Tensor, *, mixup: float, cutmix: float) -> Mixed:
    """Mix every image with another one of its batch, all of them in the same proportion.

    mixup adds images (Zhang et al., 2018), CutMix pastes a rectangle (Yun et al., 2019). With both, a fair coin decides
    for each batch. A loss of a mixture is the mixture of the losses, so that any loss of labels will do. Draws from
    torch's generator of the CPU.

    Args:
        images: (B, C, H, W).
        labels: (B,).
        mixup, cutmix: alpha of the Beta(alpha, alpha) distribution of the proportion; 0 for none of it.
    """
    if not mixup and not cutmix:
        return Mixed(images, labels, labels, 1.0)
    pasted = cutmix > 0 and (mixup == 0 or bool(torch.rand(()) < 0.5))
    alpha = cutmix if pasted else mixup
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    share = max(share, 1 - share)  # which of the two is called the first does not matter
    other = torch.randperm(len(images)).to(images.device)
    if not pasted:
        return Mixed(share * images + (1 - share) * images[other], labels, labels[other], share)
    top, left, height, width = _rectangle(images.shape[-2], images.shape[-1], 1 - share)
    mixed = images.clone()
    mixed[..., top : top + height, left : left + width] = images[other, :, top : top + height, left : left + width]
    area = height * width / (images.shape[-2] * images.shape[-1])
    return Mixed(mixed, labels, labels[other], 1 - area)


def _rectangle(height: int, width: int, area: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of a rectangle inside the image, with about this share of its area."""
    high, wide = round(height * math.sqrt(area)), round(width * math.sqrt(area))
    top = int(torch.randint(height - high + 1, ()))
    left = int(torch.randint(width - wide + 1, ()))
    return top, left, high, wide
