"""Colours of classes: distinct ones, and masks drawn in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import cv2
import numpy as np

Color: TypeAlias = tuple[int, int, int]

#: Drawn where a label has no colour, such as an ignored label beyond the classes.
_OTHER: Final = (110, 110, 110)

#: The colours of the first ten classes: the hues of Tableau's ten, with navy for its grey, set further apart.
_FIRST: Final[tuple[Color, ...]] = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 80, 200)),
    *((121, 72, 60), (247, 129, 191), (188, 189, 34), (50, 206, 226), (25, 45, 140)),
)


def distinct_colors(count: int) -> list[Color]:
    """The first ``count`` (at most 256) of a fixed row of colours, (R, G, B) in 0..255.

    After ten that are familiar, each is as unlike those before it as can be, measured by CIEDE2000. None is near white,
    black or grey: these are the background, text and the ignored label.
    """
    levels = np.linspace(0, 255, 12).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    seen = _lab(candidates)
    fit = (seen[:, 0] > 28) & (seen[:, 0] < 84) & (np.hypot(seen[:, 1], seen[:, 2]) > 25)
    candidates, seen = candidates[fit], seen[fit]
    chosen = list(_FIRST)
    distance = np.min([color_difference(seen, one) for one in _lab(np.array(_FIRST, np.uint8))], axis=0)
    while len(chosen) < count:
        index = int(distance.argmax())
        red, green, blue = (int(part) for part in candidates[index])
        chosen.append((red, green, blue))
        distance = np.minimum(distance, color_difference(seen, seen[index]))
    return chosen[:count]


def _lab(colors: np.ndarray) -> np.ndarray:
    """sRGB colours (N, 3) uint8 in CIE Lab, (N, 3) float64."""
    scaled = colors.astype(np.float32)[None] / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0], np.float64)


def color_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIEDE2000 between colours in CIE Lab, (..., 3); about 1 is what an eye just sees.

    As in Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005), equations 2 to 22, in their symbols.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(one, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, np.float64), -1, 0)
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(c7 / (c7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180  # from one hue to the other, the short way
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    h_mean = np.where(c1 * c2 == 0, h1 + h2, h1 + turn / 2)  # grey has no hue

    def cosine(factor: float, shift: float) -> np.ndarray:
        return np.asarray(np.cos(np.radians(factor * h_mean + shift)))

    t = 1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6) - 0.20 * cosine(4, -63)
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    theta = np.radians(30 * np.exp(-((((h_mean % 360) - 275) / 25) ** 2)))
    r_t = -np.sin(2 * theta) * 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    lightness, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, delta_h / s_h
    return np.asarray(np.sqrt(lightness**2 + chroma**2 + hue**2 + r_t * chroma * hue))


def colorize(mask: np.ndarray, colors: Sequence[Any]) -> np.ndarray:
    """A mask (H, W) of labels as an image (H, W, 3) uint8; labels without a colour are grey.

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


def rgb(value: int) -> Color:
    """0xRRGGBB as (R, G, B)."""
    return value >> 16, value >> 8 & 255, value & 255


def packed_color(color: Sequence[int]) -> int:
    """(R, G, B) as 0xRRGGBB."""
    return int(color[0]) << 16 | int(color[1]) << 8 | int(color[2])


def hex_color(value: int) -> str:
    """0xRRGGBB as text: ``#rrggbb``."""
    return f"#{value:06x}"
