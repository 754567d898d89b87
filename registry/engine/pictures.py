"""Colours of classes, and class masks as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

#: Drawn where a label has no colour, such as an ignored label beyond the classes.
_OTHER = (110, 110, 110)


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """The first ``count`` (at most 256) of a fixed row of colours, each as unlike those before it as can be.

    (R, G, B) in 0..255; no greys, which stand for the ignored label.
    """
    levels = np.linspace(0, 255, 9, dtype=np.uint8)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    # In CIE Lab, distances are about as the eye sees them.
    seen = np.asarray(cv2.cvtColor(candidates.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))[0]
    vivid = (np.hypot(seen[:, 1], seen[:, 2]) > 25) & (seen[:, 0] > 25)
    seen, candidates = seen[vivid], candidates[0, vivid]
    chosen = [int(np.abs(candidates.astype(int) - (31, 127, 223)).sum(axis=1).argmin())]
    distance = np.full(len(seen), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(seen - seen[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return [(int(red), int(green), int(blue)) for red, green, blue in candidates[chosen[:count]]]


def colorize(mask: np.ndarray, colors: Sequence[Any]) -> np.ndarray:
    """A mask (H, W) of labels as a picture (H, W, 3) uint8; labels without a colour are grey.

    Args:
        mask: labels 0..255.
        colors: (R, G, B) in 0..255 of each class.
    """
    table = np.full((256, 3), _OTHER, np.uint8)
    table[: len(colors)] = np.asarray(colors, np.uint8)
    return table[np.asarray(mask, np.uint8)]


def overlay(image: np.ndarray, mask: np.ndarray, colors: Sequence[Any], opacity: float = 0.6) -> np.ndarray:
    """The colours of a mask laid over its image, uint8 (H, W, 3)."""
    mixed = image * (1 - opacity) + colorize(mask, colors) * opacity
    return mixed.round().astype(np.uint8)
