"""Images cut into overlapping tiles, tiles in batches, and their probabilities blended a strip at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

#: (height, width).
Size: TypeAlias = tuple[int, int]
#: Padded and scaled sides are multiples of this.
MULTIPLE: Final = 32
#: Takes the probabilities of the tile at (row, column).
Take: TypeAlias = Callable[[tuple[int, int], Tensor], None]
#: Numbers, at most, that a strip of stretched probabilities holds: 64 MB.
_STRIP: Final = 16_000_000


@dataclass(frozen=True)
class Tiling:
    """When and how an image is cut.

    Attributes:
        tile: larger images are cut into tiles of this size.
        overlap: minimum share of a tile that the next one covers too.
        seen: the size that the network was evaluated on, or else trained on, which needs no padding; empty if unknown.
    """

    tile: Size
    overlap: float
    seen: Sequence[Size] = ()

    @classmethod
    def of(cls, sizes: Mapping[str, Sequence[int]], tile: int | None, overlap: float) -> Tiling:
        """Tiles of ``tile`` pixels, or else of the largest size that the run has seen, or else of 512.

        Args:
            sizes: (height, width) by split; empty for a run that did not record them.
            tile: what the user wants; rounded up to a multiple of 32.
            overlap: as above.
        """
        known = [(int(height), int(width)) for height, width in sizes.values()]
        heights, widths = zip(*known, strict=True) if known and tile is None else ([tile or 512], [tile or 512])
        largest, seen = (max(heights), max(widths)), known[-1:]
        return cls(largest if tile is None and largest in seen else (_up(largest[0]), _up(largest[1])), overlap, seen)

    def tile_for(self, size: Size) -> Size:
        """The size of the tiles of an image: its own, padded, where it is small enough."""
        if size in self.seen and size[0] <= self.tile[0] and size[1] <= self.tile[1]:
            return size
        return min(_up(size[0]), self.tile[0]), min(_up(size[1]), self.tile[1])


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


class Tile(NamedTuple):
    """Part of an image, or all of it.

    Attributes:
        pixels: uint8 (H, W, 3), of the size that the model gets.
        position: row and column among the tiles of its image.
        share: of its image's tiles that it is, for the progress bar.
        take: called with the position and the probabilities; tiles of an image come in order.
    """

    pixels: np.ndarray
    position: tuple[int, int]
    share: float
    take: Take


def batches(tiles: Iterable[Tile], size: int, pixels: int | None = None) -> Iterator[list[Tile]]:
    """Tiles of one size together, those of an image in their order.

    Args:
        tiles: in the order of their images.
        size: tiles in a batch, at most.
        pixels: in a batch, at most, where it holds more than one tile; None for any number.
    """
    waiting: dict[tuple[int, ...], list[Tile]] = {}
    for tile in tiles:
        shape = tile.pixels.shape
        most = size if pixels is None else max(1, min(size, pixels // (shape[0] * shape[1])))
        waiting.setdefault(shape, []).append(tile)
        if len(waiting[shape]) < most:
            if sum(map(len, waiting.values())) < 2 * size:
                continue
            shape = next(iter(waiting))  # many sizes: the one that has waited longest goes incomplete
        yield waiting.pop(shape)
    yield from waiting.values()


class Axis(NamedTuple):
    """Tiles side by side along one axis.

    Attributes:
        size: of the image.
        tile: of every tile; larger than the image where it is padded.
        starts: of the tiles, ascending.
        weights: for each tile, (tile,) float32; over every pixel of the image they sum to 1.
    """

    size: int
    tile: int
    starts: tuple[int, ...]
    weights: tuple[Tensor, ...]

    @classmethod
    def over(cls, size: int, tile: int, overlap: float) -> Axis:
        """As few tiles as overlap by at least the share ``overlap``, evenly spread.

        A tile's weight is a raised cosine over it, highest in the middle, where a network sees most around a pixel.
        """
        count = 1 if size <= tile else 1 + math.ceil((size - tile) / max(1, int(tile * (1 - overlap))))
        starts = tuple(round(number * (size - tile) / max(1, count - 1)) for number in range(count))
        if count == 1:
            return cls(size, tile, (0,), (torch.ones(tile),))
        bell = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(tile) + 0.5) / tile)
        total = np.zeros(size)
        for start in starts:
            total[start : start + tile] += bell
        parts = (torch.from_numpy(bell / total[start : start + tile]).float() for start in starts)
        return cls(size, tile, starts, tuple(parts))

    def touching(self, begin: int, end: int) -> list[int]:
        """The numbers of the tiles that cover a pixel of ``begin..end``."""
        return [number for number, start in enumerate(self.starts) if start < end and start + self.tile > begin]


class Windows(Protocol):
    """An image that gives windows of itself."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, window: Any, /) -> np.ndarray: ...


class TileBlender:
    """Blends the tiles of an image. It holds a strip as high as a tile; finished rows are emitted at once.

    Args:
        image: (H, W, C), or what has such a shape and gives windows as an array does.
        tile: the tiles' size.
        overlap: least share of a tile that the next one covers too.
        emit: called with the first row's number and probabilities (classes, rows, W), from top to bottom; what it is
            given is overwritten afterwards.
        area: (top, left, right): only these columns, and the rows from ``top`` on, are blended, as in the whole image;
            rows above it that are emitted are incomplete.
    """

    def __init__(
        self,
        image: Windows,
        tile: Size,
        overlap: float,
        emit: Callable[[int, Tensor], None],
        area: tuple[int, int, int] | None = None,
    ) -> None:
        self.rows, self.columns = (Axis.over(*pair, overlap) for pair in zip(image.shape[:2], tile, strict=True))
        self.emit, (top, self.left, self.right) = emit, area or (0, 0, self.columns.size)
        self._numbers = self.rows.touching(top, self.rows.size), self.columns.touching(self.left, self.right)
        self._strip: Tensor | None = None

    def __len__(self) -> int:
        return len(self._numbers[0]) * len(self._numbers[1])

    def cut(self, image: Windows) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """((row, column), pixels) of each tile in order; beyond the image is its mirror image."""
        for row in self._numbers[0]:
            for column in self._numbers[1]:
                top, left = self.rows.starts[row], self.columns.starts[column]
                pixels = image[top : top + self.rows.tile, left : left + self.columns.tile]
                missing = (self.rows.tile - pixels.shape[0], self.columns.tile - pixels.shape[1])
                if any(missing):
                    pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
                yield (row, column), pixels

    def take(self, position: tuple[int, int], probabilities: Tensor) -> None:
        """Take the probabilities (classes, height, width) of the tile at a position, in the order of ``cut``."""
        row, column = position
        height, width = self.rows.size, self.right - self.left
        start = self.columns.starts[column]
        begin, end = max(start, self.left), min(start + self.columns.tile, self.right)
        probabilities = probabilities[:, :height, begin - start : end - start]
        if len(self.rows.starts) * len(self.columns.starts) == 1:
            self.emit(0, probabilities)
            return
        if self._strip is None:
            self._strip = probabilities.new_zeros(probabilities.shape[0], min(self.rows.tile, height), width)
        high = probabilities.shape[1]
        down, across = self.rows.weights[row][:high], self.columns.weights[column][begin - start : end - start]
        weights = down[:, None].to(probabilities.device) * across.to(probabilities.device)
        self._strip[:, :high, begin - self.left : end - self.left].addcmul_(probabilities, weights)
        if column != self._numbers[1][-1]:
            return
        # Emit the rows that no later tile covers, and move the others up.
        top, last = self.rows.starts[row], row == len(self.rows.starts) - 1
        done = (height if last else self.rows.starts[row + 1]) - top
        self.emit(top, self._strip[:, :done])
        if last:
            self._strip = None
        else:
            rest = self._strip[:, done:].clone()
            self._strip[:, : rest.shape[1]] = rest
            self._strip[:, rest.shape[1] :] = 0


def stretch(probabilities: Tensor, size: Size) -> Iterator[tuple[int, Tensor]]:
    """Probabilities (classes, h, w) at another size, bilinearly: (first row, (classes, rows, W)) a strip at a time.

    Together the strips are what ``interpolate(..., size, mode="bilinear")`` gives.
    """
    classes, height, _ = probabilities.shape
    rows = max(1, _STRIP // (classes * size[1]))
    for top in range(0, size[0], rows):
        wanted = torch.arange(top, min(top + rows, size[0]), device=probabilities.device)
        source = ((wanted + 0.5) * (height / size[0]) - 0.5).clamp(0, height - 1)
        above = source.floor().long()
        share = (source - above)[:, None].to(probabilities.dtype)
        strip = torch.lerp(probabilities[:, above], probabilities[:, (above + 1).clamp(max=height - 1)], share)
        yield top, F.interpolate(strip[None], size=(len(wanted), size[1]), mode="bilinear")[0]


class OwnSize:
    """Rows of the size that the model predicts -> rows of the image's own size, which resizing may have changed.

    Args:
        size: (H, W) that the model predicts.
        own: (H, W) of the image.
        emit: called with the first row's number and probabilities (classes, rows, W), from top to bottom.
    """

    def __init__(self, size: Size, own: Size, emit: Callable[[int, Tensor], None]) -> None:
        self.size, self.own, self.emit = size, own, emit
        self._small: Tensor | None = None

    def take(self, top: int, probabilities: Tensor) -> bool:
        """Take finished rows (classes, rows, W), from top to bottom; whether they are the last ones."""
        below = top + probabilities.shape[1]
        if self.size == self.own:
            self.emit(top, probabilities)
            return below == self.size[0]
        if self._small is None:
            self._small = probabilities.new_empty(probabilities.shape[0], *self.size)
        self._small[:, top:below] = probabilities
        if below == self.size[0]:
            for first, strip in stretch(self._small, self.own):
                self.emit(first, strip)
            self._small = None
        return below == self.size[0]
