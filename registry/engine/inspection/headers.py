"""The files of a data set by their headers, before anything is decoded: every one that cannot be used, at once."""

from __future__ import annotations

import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...errors import InputError, Problem
from ..data.images import IMAGE_SUFFIXES, Bands, UnreadableImage, image_size, open_raster, reading, require_utf8

#: Seconds for all files of a data set; of more files than fit, a random choice is looked at.
SECONDS: Final = 3.0
#: Problems that are reported; the others are counted.
_REPORTED: Final = 20


def faults(samples: Any, pixels: int, seconds: float = SECONDS, bands: Bands = "rgb") -> list[Problem]:
    """What is wrong with the files of a split: one problem for each sample that cannot be used.

    Args:
        samples: a split; without ``files`` nothing can be looked at.
        pixels: the most that an image may have.
        bands: that are read.
        seconds: to look for so long; files are taken in random order, the same in every run.
    """
    files: Sequence[Any] = getattr(samples, "files", None) or []
    found, of_other_size, pairs = [], [], 0
    deadline = time.monotonic() + seconds
    with reading(pixels, bands):
        for index in np.random.default_rng(0).permutation(len(files)):
            paths = [Path(path) for path in (files[index] if isinstance(files[index], tuple) else (files[index],))]
            try:
                sizes = [_size(path) for path in paths]
            except UnreadableImage as error:
                found += error.problems
            else:
                pairs += len(sizes) == 2
                if len(sizes) == 2 and None not in sizes and sizes[0] != sizes[1]:
                    (width, height), (mask_width, mask_height) = sizes  # type: ignore[misc]
                    text = f"is {mask_width}x{mask_height}, but its image {paths[0]} is {width}x{height}"
                    of_other_size.append(Problem(str(paths[1]), text))
            if time.monotonic() > deadline:
                break
    # Where no mask has its image's size, the data set may be one that resizes them itself.
    found += of_other_size if len(of_other_size) < pairs else []
    return sorted(found, key=lambda problem: problem.path)


def are_rasters(samples: Any) -> bool:
    """Whether the first image of a split is a TIFF of 16 bits, or of other bands than grey, or RGB and transparency."""
    files = getattr(samples, "files", None) or [""]
    path = Path(files[0][0] if isinstance(files[0], tuple) else files[0])
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    with suppress(InputError), open_raster(path) as raster:
        plain = raster.count in (1, 3) or raster.colorinterp[-1].name == "alpha"
        return not plain or "uint16" in raster.dtypes
    return False


def _size(path: Path) -> tuple[int, int] | None:
    """(width, height) of an image; None for a file of another kind."""
    try:
        require_utf8([path])
    except InputError as error:
        raise UnreadableImage(error.problems[0].path, error.problems[0].message, error.problems[0].hint) from None
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableImage(path, "is not a regular file")
        if found.st_size == 0:
            raise UnreadableImage(path, "is empty")
    except FileNotFoundError:
        raise UnreadableImage(path, "does not exist") from None
    except OSError as error:
        raise UnreadableImage(path, f"cannot be read: {error.strerror}") from error
    return image_size(path) if path.suffix.lower() in IMAGE_SUFFIXES else None


def raise_faults(found: Sequence[Problem]) -> None:
    """Raise the first twenty problems, and how many more there are; nothing where there are none."""
    if found:
        more = len(found) - _REPORTED
        rest = [Problem("...", f"and {more} more file{'s' * (more > 1)} that cannot be used")] if more > 0 else []
        hint = "data.on_error: skip trains without them"
        raise InputError([*found[:_REPORTED], *rest, Problem("data", "has files that cannot be used", hint)])
