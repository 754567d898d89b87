"""The augmentations that make views of an image, kept in uint8: each is one albumentations transform."""

from __future__ import annotations

import os
from typing import Any

# Set before the import, which would otherwise ask the package index for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A


def view(
    size: int,
    *,
    min_scale: float,
    jitter: float,
    strengths: tuple[float, float, float, float],
    gray: float,
    blur: float,
    sigma: tuple[float, float],
    solarize: float,
    flip: float,
) -> Any:
    """A random crop, flip, jitter of colours, greyness, blur and solarisation.

    Args:
        size: side of the result in pixels.
        min_scale: least share of the image's area in the crop.
        jitter: probability of the jitter.
        strengths: of brightness, contrast, saturation (factors 1 - s .. 1 + s) and hue (shift -s .. s of its circle).
        gray, blur, solarize, flip: their probabilities.
        sigma: range of the blur's standard deviation in pixels.
    """
    brightness, contrast, saturation = ((max(0.0, 1 - s), 1 + s) for s in strengths[:3])
    hue = strengths[3]
    steps = [
        A.RandomResizedCrop(size=(size, size), scale=(min_scale, 1.0)),
        A.HorizontalFlip(p=flip),
        A.ColorJitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=(-hue, hue), p=jitter),
        A.ToGray(p=gray),
        A.GaussianBlur(blur_limit=0, sigma_limit=sigma, p=blur),
        A.Solarize(threshold_range=(0.5, 0.5), p=solarize),
    ]
    return A.Sequential([step for step in steps if step.p > 0], p=1.0)
