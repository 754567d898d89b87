"""Specs of the views of an image: a random crop, its colours changed."""

from __future__ import annotations

from typing import Any

from registry import Count, Positive, Probability


def byol_view_1(
    *,
    size: Count = 224,
    min_scale: Probability = 0.08,
    jitter: Probability = 0.8,
    strength: Positive = 1.0,
    gray: Probability = 0.2,
    blur: Probability = 1.0,
    solarize: Probability = 0.0,
    flip: Probability = 0.5,
) -> Any:
    """BYOL's first view: crop, flip, jitter of colours, greyness, blur (Grill et al., 2020, table 6).

    Args:
        size: side of the view in pixels.
        min_scale: least share of the image's area in the crop.
        jitter: probability of the jitter of colours.
        strength: factor of its strengths, .4 for brightness and contrast, .2 for saturation, .1 for hue; 0.5 is usual
            for images of 32 pixels.
        gray: probability of no colour.
        blur: probability of a blur of .1 to 2 pixels; 0 is usual for images of 32 pixels.
        solarize: probability that bright pixels are inverted.
        flip: probability of the mirror image.
    """
    return _byol_view(size, min_scale, jitter, strength, gray, blur, solarize, flip)


def byol_view_2(
    *,
    size: Count = 224,
    min_scale: Probability = 0.08,
    jitter: Probability = 0.8,
    strength: Positive = 1.0,
    gray: Probability = 0.2,
    blur: Probability = 0.1,
    solarize: Probability = 0.2,
    flip: Probability = 0.5,
) -> Any:
    """BYOL's second view: as the first, with less blur, and some images solarised.

    Args:
        size: side of the view in pixels.
        min_scale: least share of the image's area in the crop.
        jitter: probability of the jitter of colours.
        strength: factor of its strengths; see byol_view_1.
        gray: probability of no colour.
        blur: probability of a blur of .1 to 2 pixels.
        solarize: probability that bright pixels are inverted.
        flip: probability of the mirror image.
    """
    return _byol_view(size, min_scale, jitter, strength, gray, blur, solarize, flip)


def _byol_view(
    size: int,
    min_scale: float,
    jitter: float,
    strength: float,
    gray: float,
    blur: float,
    solarize: float,
    flip: float,
) -> Any:
    from .views import View

    strengths = (0.4 * strength, 0.4 * strength, 0.2 * strength, 0.1 * strength)
    return View(
        size,
        min_scale=min_scale,
        jitter=jitter,
        strengths=strengths,
        gray=gray,
        blur=blur,
        sigma=(0.1, 2.0),
        solarize=solarize,
        flip=flip,
    )


def mild_view(
    *,
    size: Count = 128,
    min_scale: Probability = 0.08,
    jitter: Probability = 0.3,
    gray: Probability = 0.2,
    blur: Probability = 0.2,
    flip: Probability = 0.5,
) -> Any:
    """A view with rare but strong jitter of colours (.8, hue .2), greyness, rare blur, flip and crop.

    Args:
        size: side of the view in pixels.
        min_scale: least share of the image's area in the crop.
        jitter: probability of the jitter of colours.
        gray: probability of no colour.
        blur: probability of a blur of 1 to 2 pixels.
        flip: probability of the mirror image.
    """
    from .views import View

    return View(
        size,
        min_scale=min_scale,
        jitter=jitter,
        strengths=(0.8, 0.8, 0.8, 0.2),
        gray=gray,
        blur=blur,
        sigma=(1.0, 2.0),
        solarize=0.0,
        flip=flip,
    )
