"""Windows of images on their way through the model, and who waits for what it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Job(Protocol):
    """One image being predicted."""

    def take(self, place: tuple[int, int], probabilities: Tensor) -> None:
        """What the model says of the window at a place; windows come in order."""


@dataclass(frozen=True)
class Window:
    """Part of an image, or all of it.

    Attributes:
        pixels: uint8 (H, W, 3), of the size that the model gets.
        place: row and column among the windows of its image.
        share: of its image's windows that it is, for the progress display.
        job: who waits for it.
    """

    pixels: np.ndarray
    place: tuple[int, int]
    share: float
    job: Job


class Results(Protocol):
    """Where predictions go: a table of labels, or a folder of masks."""

    #: What the user is told to look at.
    path: Path
    #: The list of files that could not be read.
    failures: Path

    def windows(self, index: int, sample: dict[str, Any]) -> Iterable[Window]:
        """The windows of a picture that was read."""

    def failed(self, index: int) -> None:
        """The picture cannot be read."""

    def close(self, *, abandon: bool = False) -> None:
        """Finish what is being written; ``abandon`` leaves out what is not finished."""


def batches(windows: Iterable[Window], size: int, pixels: int | None = None) -> Iterator[list[Window]]:
    """Windows of one size together, those of an image in their order.

    Args:
        windows: in the order of their images.
        size: windows in a batch, at most.
        pixels: in a batch, at most, where it holds more than one window; None for any number.
    """
    waiting: dict[tuple[int, ...], list[Window]] = {}
    held = 0
    for window in windows:
        shape = window.pixels.shape
        most = size if pixels is None else max(1, min(size, pixels // (shape[0] * shape[1])))
        waiting.setdefault(shape, []).append(window)
        held += 1
        if len(waiting[shape]) < most and held >= 2 * size:
            shape = next(iter(waiting))  # many sizes: the one that waits longest goes as it is
        elif len(waiting[shape]) < most:
            continue
        batch = waiting.pop(shape)
        held -= len(batch)
        yield batch
        del batch
    yield from waiting.values()
