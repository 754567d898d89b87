"""Mask files read as labels: by value, by palette index or by colour."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

from ...errors import InputError, Problem
from .classes import Classes, KnownClasses
from .colors import hex_color, packed_color, rgb
from .images import Pixels, UnreadableImage, decode, integers

#: A truth of more colours, without known classes, is taken for photographs.
_MOST_COLORS: Final = 256
#: Values that a message lists.
_LISTED: Final = 5


def read_index_mask(path: str | os.PathLike[str], *, lossy_ok: bool = False, content: bytes | None = None) -> Pixels:
    """A mask whose values are labels: uint8, (H, W). Palette images give their indices, not their grey values.

    Args:
        path: grey of 1 to 32 bits, or palette.
        lossy_ok: accept a JPEG (or lossy WebP), whose compression invents labels along the borders.
        content: as of ``read_image``.

    Raises:
        UnreadableImage: as ``read_image``; colours; a label above 255; lossy compression.
    """
    image, stretch = decode(path, lossless=not lossy_ok, content=content)
    if image.mode in ("1", "L", "P"):
        labels = np.array(image, dtype=np.uint8)
        return labels // np.uint8(stretch) if stretch > 1 else labels
    if image.mode.startswith("I"):
        return integers(path, image, 255).astype(np.uint8)
    message = f"is a mask in mode {image.mode}, expected one label a pixel"
    raise UnreadableImage(path, message, "colour masks need the format 'colors'")


def read_color_mask(path: str | os.PathLike[str], *, lossy_ok: bool = False) -> Pixels:
    """A mask whose colours stand for labels: uint8 RGB as stored, transparency ignored, (H, W, 3).

    Args:
        path: colour, palette or grey of at most 8 bits.
        lossy_ok: as in ``read_index_mask``.

    Raises:
        UnreadableImage: as ``read_image``; more than 8 bits; lossy compression.
    """
    image, _ = decode(path, lossless=not lossy_ok)
    if image.mode.startswith("I") or image.mode == "F":
        raise UnreadableImage(path, f"is a mask in mode {image.mode}, which has no colours")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


@dataclass(frozen=True)
class MaskReader:
    """Reads mask files as labels; every value and colour is checked. Can be pickled, for a loader's workers.

    Attributes:
        values: value or palette index -> label.
        colors: 0xRRGGBB -> label; empty where masks hold values only.
        grey_is_color: with ``colors``, whether grey files hold colours as well, and not values.
    """

    values: Mapping[int, int]
    colors: Mapping[int, int]
    grey_is_color: bool = True

    @classmethod
    def of_values(cls, labels: Iterable[int]) -> MaskReader:
        """Each value, or palette index, is its own label."""
        return cls({label: label for label in labels}, {})

    @classmethod
    def of_colors(cls, colors: Mapping[tuple[int, int, int], int]) -> MaskReader:
        """(R, G, B) -> label."""
        return cls({}, {packed_color(color): label for color, label in colors.items()})

    def __call__(self, path: Path) -> Pixels:
        """The labels, uint8 (H, W).

        Raises:
            UnreadableImage: the file cannot be read, or has a value or a colour that has no label.
        """
        pixels: np.ndarray
        if self.colors and (self.grey_is_color or stored(path) != "grey"):
            pixels, kind = packed(path), "colours"
            colors = np.array(sorted(self.colors), np.uint32)
            nearest = np.minimum(np.searchsorted(colors, pixels), len(colors) - 1)
            labels = np.array([self.colors[int(color)] for color in colors], np.int16)[nearest]
            labels[pixels != colors[nearest]] = -1
            known = ", ".join(hex_color(color) for color in list(self.colors)[:20])
        else:
            pixels, kind = read_index_mask(path), "values"
            table = np.full(256, -1, np.int16)
            table[list(self.values)] = list(self.values.values())
            labels, known = table[pixels], _ranges(self.values)
        if (labels < 0).any():
            values, counts = np.unique(pixels[labels < 0], return_counts=True)
            order = counts.argsort(kind="stable")[::-1][:_LISTED]
            texts = [hex_color(int(value)) if kind == "colours" else str(value) for value in values[order]]
            sizes = [f"{size} pixel{'s' * int(size > 1)}" for size in counts[order]]
            some = [f"{text} ({size})" for text, size in zip(texts, sizes, strict=True)]
            message = f"has {kind} of no class: {', '.join(some)}{', ...' * (len(values) > _LISTED)}"
            raise UnreadableImage(path, message, f"known {kind}: {known}")
        return labels.astype(np.uint8)


def packed(path: Path) -> np.ndarray:
    """A mask's colours as 0xRRGGBB, uint32 (H, W)."""
    colors = read_color_mask(path).astype(np.uint32)
    return np.asarray(colors[..., 0] << 16 | colors[..., 1] << 8 | colors[..., 2])


def stored(path: Path) -> Literal["grey", "palette", "colors"]:
    """How a mask file holds its labels; ``grey`` for a file that cannot be read, which reading it reports."""
    try:
        with Image.open(path) as image:
            mode = image.mode
    except Exception:  # Pillow's decoders raise exceptions of many types
        return "grey"
    return "palette" if mode == "P" else "grey" if mode in ("1", "L", "F") or mode.startswith("I") else "colors"


def _ranges(values: Iterable[int]) -> str:
    """Values in words: ``0..6 and 255``."""
    # Consecutive values differ from their position by the same number.
    runs = [
        [value for _, value in run] for _, run in groupby(enumerate(sorted(values)), lambda each: each[1] - each[0])
    ]
    return " and ".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def values_in(files: Sequence[Path], as_colors: bool) -> list[int]:
    """The values, or colours as 0xRRGGBB, in those masks that can be read, sorted.

    Raises:
        InputError: more than 256 colours, or no mask can be read; the latter with every file, 20 at most.
    """
    found: set[int] = set()
    problems: list[Problem] = []
    for path in files:
        try:
            found |= {int(value) for value in np.unique(packed(path) if as_colors else read_index_mask(path))}
        except UnreadableImage as error:
            problems += error.problems
        if len(found) > _MOST_COLORS:
            message = f"the truth has more than {_MOST_COLORS} colours, so these files are not masks"
            raise InputError.of(str(path), message, "masks are PNGs with one colour, or value, for each class")
    if not found:
        raise InputError(problems[:20])
    return sorted(found)


def comparing_reader(
    truth: Sequence[Path],
    predictions: Sequence[Path],
    known: KnownClasses | None,
    *,
    ignore: str | None = None,
    count_against: bool = False,
) -> tuple[MaskReader, Classes]:
    """The reader for both sides, by colours as soon as one file holds RGB, and the classes that it gives indices of.

    Args:
        truth, predictions: mask files.
        known: the classes; None for the values, or colours, that occur in the truth.
        ignore: the ignored label: a name, a value or #rrggbb.
        count_against: see ``Classes``.

    Raises:
        InputError: the classes and the masks do not agree.
    """
    as_colors = any(stored(path) == "colors" for path in (*truth, *predictions))
    if known is None:
        values = values_in(truth, as_colors)
        names = [hex_color(value) if as_colors else str(value) for value in values]
        known = KnownClasses(names, [rgb(value) for value in values] if as_colors else None)
        labels = values
    elif as_colors:
        if known.colors is None:
            hint = "give colours too, as in --classes urban=#00ffff,water=#0000ff"
            raise InputError.of("--classes", "has no colours, and the masks hold colours", hint)
        labels = [packed_color(color) for color in known.colors]
    else:
        labels = [*range(len(known.names))]
    index, further = known.ignored(ignore, labels, as_colors)
    left_out = None if ignore is not None else known.left_out
    classes = Classes.of(known.names, known.colors, index, count_against=count_against, left_out=left_out)
    table = {label: place for place, label in enumerate(labels)}
    if further is not None and classes.ignored is not None:
        table[further] = classes.ignored
    if not as_colors:
        return MaskReader(table, {}), classes
    by_value = {place: place for place in range(len(known.names))}
    if known.ignore_index is not None and classes.ignored is not None:
        by_value[known.ignore_index] = classes.ignored
    return MaskReader(by_value, table, grey_is_color=not known.given), classes
