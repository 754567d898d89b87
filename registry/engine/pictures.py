"""Class masks as colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Drawn where a label has no colour, such as an ignored label beyond the classes.
_OTHER = (110, 110, 110)


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
