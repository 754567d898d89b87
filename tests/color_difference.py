"""CIEDE2000, by which the tests judge whether colours are distinct."""

from __future__ import annotations

import cv2
import numpy as np


def lab(colors: np.ndarray) -> np.ndarray:
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
