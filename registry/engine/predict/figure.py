"""The figure of one prediction: a mask over its image with a legend, or an image with its most likely classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ..data.colors import GREY, overlay
from ..data.drawing import legend_entry, shown

#: Classes in a legend or a chart, and the least share of pixels that an entry is for.
_MOST: Final = 10
_LEAST: Final = 0.0005


def draw_prediction(
    image: np.ndarray,
    mask: np.ndarray | None,
    shares: Mapping[str, float],
    colors: Mapping[str, Sequence[int]],
    title: str = "",
    threshold: float | None = None,
) -> Figure:
    """Draw what was predicted for an image.

    Args:
        image: (H, W, 3) uint8.
        mask: (H, W) uint8; None where the image has one class.
        shares: of the classes, largest first: of pixels, or probabilities.
        colors: (R, G, B) of each class by its name, in the order of their numbers.
        title: the heading.
        threshold: the probability from which the image has a class, where it may have several.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(image)
    left.set_title(shown(title) or "image", fontsize=10)
    left.axis("off")
    chosen = [(name, share) for name, share in shares.items() if share >= _LEAST][:_MOST]
    if mask is None:
        names = [f"{shown(name, 24)}  {share:.1%}" for name, share in chosen][::-1]
        right.barh(range(len(chosen)), [100 * share for _, share in chosen][::-1], color="0.45")
        right.set_yticks(range(len(chosen)), names)
        right.set_xlim(0, 100)
        right.set_xlabel("probability, %")
        right.set_title("most likely classes", fontsize=10)
        if threshold is not None:
            right.axvline(100 * threshold, color="black", linestyle="--", linewidth=1)
            right.set_title("probability of each class, and the threshold", fontsize=10)
        for side in ("top", "right"):
            right.spines[side].set_visible(False)
        return figure
    right.imshow(overlay(image, mask, list(colors.values())))
    right.set_title("prediction", fontsize=10)
    right.axis("off")
    entries = [legend_entry(colors.get(name, GREY), f"{shown(name, 24)}  {share:.1%}") for name, share in chosen]
    figure.legend(handles=entries, loc="outside lower center", ncols=min(4, len(entries)), fontsize=9, frameon=False)
    return figure
