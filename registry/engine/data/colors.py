"""Colours of classes: distinct ones, and masks drawn in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

Color: TypeAlias = tuple[int, int, int]

#: Drawn where a label has no colour, such as an ignored label beyond the classes.
GREY: Final[Color] = (110, 110, 110)

#: Difference of a colour's largest and smallest part, from which on it is not grey, black or white.
_COLORED: Final = 60
#: RRGGBB of 256 colours: the hues of Tableau's ten, with navy for its grey, then at each step that of a 12 x 12 x 12
#: grid whose least CIEDE2000 distance to those before it is largest, without those near white, black or grey.
_PALETTE: Final = bytes.fromhex("""
1f77b4 ff7f0e 2ca02c d62728 9450c8 79483c f781bf bcbd22 32cee2 192d8c 005d46 b9b9ff 8b742e 5de8b9 8b005d 464617
ffb9a2 2e8b8b 46e800 e80074 ffb92e b97474 a2b98b ff00ff 5db9ff b95d17 5d7446 744600 0046ff 5d5d8b a28bb9 b9a274
748bff ff745d a25d8b 7400a2 005d00 8b0000 e8b9e8 d18bff 748b00 a22e46 008b5d 00b9a2 b98b00 00748b b900a2 ff748b
46a2b9 8b8b5d 744674 74b900 00b974 004674 ff4600 a2745d d15db9 0000e8 e8465d d18b5d d1d18b 8bd174 e8b98b 7474b9
2e5db9 8b00ff b95dff 742e00 745dff 467400 008bff ffa2b9 a2462e 5d46a2 b97400 5d5d00 742e46 ff46a2 745d2e 00e874
a2a246 74a274 b91774 ffa2ff 5d8b46 008bb9 4674e8 00e8e8 5dd1ff d15d46 d18ba2 5d2e74 e8d15d d100e8 a2d1ff 8ba2d1
a28be8 007474 e800a2 b9a200 8bd1b9 d18bd1 b95d74 d11746 ffa246 2e7446 b90000 5da28b 8b5d00 a28b46 ff74e8 747400
5db9b9 ff2e2e a2d100 ffa274 a25d5d 742e2e 8b5d46 465d2e ffb9b9 b974a2 74a246 8b74a2 b974d1 5d4600 a24600 a2b95d
8b2e8b 005d8b d1a246 464674 8b5da2 00b900 d14617 2e46b9 d1b974 d18b2e 008b2e 00a2e8 e87446 008ba2 5d5db9 b97446
17745d 00a274 8b74e8 d18b8b 8b2eb9 468b74 468b00 8b465d 8b002e 00a2a2 747446 b9a2e8 5dd18b b946b9 5db95d a22e2e
a2a274 5d2ed1 175d2e 748bb9 007417 5da2ff d18b74 a2d1a2 2ee8d1 8b5d2e 46a25d 46d146 ff2e74 8ba200 74b98b d17417
5d5d2e 8b8bb9 b94646 e87474 465d00 e8b900 ff46d1 00b9e8 a28b00 a25d00 b9748b 745d00 745d8b 2e468b a2a2ff a27400
7446e8 d15d8b 462ea2 ff8b8b 8b4646 465d8b a24674 a246ff ffa2d1 465de8 a2a2d1 b98b5d 5d74a2 742e5d b92e5d a27446
b9d15d 8b8b2e 8bb9ff 8bb974 e817d1 748b5d 741774 e85d00 00d1a2 8bd146 8b0046 5d4674 74b9a2 b9d18b 74d1d1 00a28b
8b46a2 d1b92e ffb974 a22e00 e8b95d ffa200 e8175d ff74a2 d1a274 d1b9ff d15de8 a2b9e8 b9b974 5da200 178bd1 a2468b
a25d46 b98bb9 5db9d1 ff5d5d b9d1ff b9745d d1a2d1 e80000 ffb98b ffb9d1 e8a28b 00a2d1 e8a2a2 5d8bb9 e874ff e8d100
""")


def distinct_colors(count: int) -> list[Color]:
    """The first ``count`` of a fixed series of colours, (R, G, B) in 0..255: no two are the same.

    A further class does not recolour the others. None is near white, black or grey: these are the background, text and
    the ignored label. The first 256 are chosen to look different; those after them only differ.
    """
    series = {rgb(int.from_bytes(_PALETTE[at : at + 3], "big")): None for at in range(0, len(_PALETTE), 3)}
    numbers = itertools.count(1)
    while len(series) < count:
        color = rgb(next(numbers) * 0x9E3779 % 2**24)  # the multiplier is odd: each of 2^24 numbers gives another one
        if max(color) - min(color) > _COLORED:
            series[color] = None
    return list(series)[:count]


def colorize(mask: np.ndarray, colors: Sequence[Any]) -> np.ndarray:
    """A mask (H, W) of labels as an image (H, W, 3) uint8; labels without a colour are grey.

    Args:
        mask: labels 0..255.
        colors: (R, G, B) in 0..255 of each class.
    """
    table = np.full((256, 3), GREY, np.uint8)
    table[: len(colors)] = np.asarray(colors, np.uint8)
    return table[np.asarray(mask, np.uint8)]


def overlay(image: np.ndarray, mask: np.ndarray, colors: Sequence[Any], opacity: float = 0.6) -> np.ndarray:
    """The colours of a mask laid over its image, uint8 (H, W, 3)."""
    mixed = displayed(image) * (1 - opacity) + colorize(mask, colors) * opacity
    return mixed.round().astype(np.uint8)


def displayed(image: np.ndarray) -> np.ndarray:
    """An image of any bands as uint8 RGB (H, W, 3), for the eye alone.

    Three bands of 8 bits are as they are. Of more bands the first three are shown, of fewer the first one in grey; 16
    bits are stretched from the 2nd to the 98th percentile of the image.
    """
    bands = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, 2)
    if bands.dtype != np.uint8:
        low, high = np.percentile(bands, (2, 98))
        bands = ((bands - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(bands)


def rgb(value: int) -> Color:
    """0xRRGGBB as (R, G, B)."""
    return value >> 16, value >> 8 & 255, value & 255


def packed_color(color: Sequence[int]) -> int:
    """(R, G, B) as 0xRRGGBB."""
    return int(color[0]) << 16 | int(color[1]) << 8 | int(color[2])


def hex_color(value: int) -> str:
    """0xRRGGBB as text: ``#rrggbb``."""
    return f"#{value:06x}"
