"""The random fields and grids of which a synthetic landscape is made: smooth noise, bent parcels, blended colours."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Index: TypeAlias = NDArray[np.intp]

#: The most by which a grid of noise is stretched at once: coarser ones are doubled first, at random places.
_STRETCH: Final = 8
#: Entries of a parcel table to the pixel.
_TICKS: Final = 4
#: Where the parcel tables begin and end, as a multiple of the picture's side.
_FIRST, _LAST = -1.2, 1.3


class Parcels(NamedTuple):
    """A turned, uneven grid; every array is (n, n).

    Args:
        number: which parcel a pixel lies in, below ``total``.
        edge: distance in pixels to the parcel's nearest side.
        radius: distance from the parcel's middle, 1 where the largest circle inside it ends; None unless asked for.
        total: how many numbers there are.
    """

    number: Index
    edge: Field
    radius: Field | None
    total: int


class Ground:
    """Draws the random fields of one scene.

    Fields are (n, n); pictures are three planes (3, n, n) in 0..1, on which numpy computes several times faster than
    on (n, n, 3).

    Args:
        rng: the scene's own generator.
        n: width and height in pixels.
        unit: pixels to the "metre" in which textures are measured.
    """

    def __init__(self, rng: np.random.Generator, n: int, unit: float) -> None:
        self.rng, self.n, self.unit = rng, n, unit
        self._axis = np.arange(n, dtype=np.float32) - n / 2

    def noise(self, wavelength: float, octaves: int = 1, roughness: float = 0.5) -> Field:
        """A smooth random field with mean 0 and deviation about 1; the wavelength in pixels.

        Octaves add up on coarse grids, each twice as fine as the one before; only their sum is stretched to (n, n).
        """
        cells = self.n / max(wavelength, 1.0)
        side = int(cells) + 4
        grid = self.rng.standard_normal((side, side), np.float32)
        weight, power = 1.0, 1.0
        for _ in range(octaves - 1):
            grid, cells = self._doubled(grid, cells), 2 * cells
            weight *= roughness
            power += weight**2
            grid += weight * self.rng.standard_normal(grid.shape, np.float32)
        while cells * _STRETCH < self.n:
            grid, cells = self._doubled(grid, cells), 2 * cells
        span = round(cells)
        grid = grid[1 : span + 1, 1 : span + 1] * np.float32(1.18 / math.sqrt(power))
        return _stretched(grid, (self.n, self.n))

    def _doubled(self, grid: Field, cells: float) -> Field:
        """A random part of the grid, twice as fine."""
        finer = _stretched(grid, (2 * len(grid), 2 * len(grid)))
        side = int(2 * cells) + 4
        places = len(finer) - side + 1
        top, left = int(places * self.rng.random()), int(places * self.rng.random())
        return finer[top : top + side, left : left + side].copy()

    def along(self, angle: float) -> Field:
        """Each pixel's position (n, n) on an axis through the middle at an angle (radians), in pixels."""
        return self._axis * math.cos(angle) + (self._axis * math.sin(angle))[:, None]

    def parcels(
        self, least: float, most: float, angle: float, bend: float = 0.0, *, with_radius: bool = False
    ) -> Parcels:
        """A grid at an angle (radians) with sides of ``least`` to ``most`` pixels, bent by about ``bend`` pixels."""
        u = self.along(angle) + bend * self.noise(self.n / 2)
        v = self.along(angle + math.pi / 2) + bend * self.noise(self.n / 2)
        lines = int(4 * self.n / least) + 4
        across, along = np.cumsum(self.rng.uniform(least, most, (2, lines)), axis=1) + _FIRST * self.n
        # How a pixel lies between two lines depends on one coordinate alone, so it is looked up.
        columns, rows = _Strips.between(across, self.n), _Strips.between(along, self.n)
        at_u = self._ticks(u)
        # Each column of parcels has its cross lines at another height.
        v += lookup(self.rng.uniform(0, most, lines).astype(np.float32)[columns.number], at_u)
        at_v = self._ticks(v)
        number = lookup(columns.number * lines, at_u) + lookup(rows.number, at_v)
        edge = np.minimum(lookup(columns.edge, at_u), lookup(rows.edge, at_v))
        radius = None
        if with_radius:
            narrower: Field = np.minimum(lookup(columns.width, at_u), lookup(rows.width, at_v))
            distance: Field = np.hypot(lookup(columns.offset, at_u), lookup(rows.offset, at_v))
            radius = 2 * distance / narrower
        return Parcels(number, edge, radius, lines * lines)

    def _ticks(self, position: Field) -> Index:
        return ((position - _FIRST * self.n) * _TICKS).astype(np.intp)

    def lumps(self, size: float) -> Field:
        """Rounded crowns of about ``size`` pixels, lit from one side: brightness about 0."""
        height = self.noise(size) + 0.6 * self.noise(size * 2.1)
        np.maximum(height, -0.3, out=height)
        behind: Field = np.roll(height, (2, 2), (0, 1))
        return 1.1 * height - 0.6 * behind


class _Strips(NamedTuple):
    """The strips between parallel lines, by position in ticks: which one, its width, and how a position lies in it."""

    number: Index
    width: Field
    offset: Field
    edge: Field

    @classmethod
    def between(cls, lines: NDArray[np.float64], n: int) -> _Strips:
        position = np.arange(_FIRST * n, _LAST * n, 1 / _TICKS)
        number = np.clip(np.searchsorted(lines, position), 1, len(lines) - 1)
        first, last = lines[number - 1], lines[number]
        edge = np.minimum(position - first, last - position)
        offset = position - (first + last) / 2
        return cls(number, *(array.astype(np.float32) for array in (last - first, offset, edge)))


def _stretched(grid: Field, size: tuple[int, int]) -> Field:
    return np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC), np.float32)


def lookup(table: NDArray[Any], number: Index) -> Any:
    """The entry of a table (k,) for each number (n, n), or a picture from a table (3, k) of colours."""
    return np.take(table, number, axis=-1, mode="clip")


def blend(first: ArrayLike, second: ArrayLike, share: Field) -> Field:
    """Between two pictures or colours: the first where ``share`` is 0 or less, the second where it is 1 or more."""
    first, second = planes(first), planes(second)
    picture = (second - first) * np.clip(share, 0, 1)
    picture += first
    return picture


def planes(colour: ArrayLike) -> Field:
    """A colour (3,) as planes (3, 1, 1); a picture as it is."""
    array = np.asarray(colour, np.float32)
    return array[:, None, None] if array.ndim == 1 else array


def put(picture: Field, where: Mask, content: ArrayLike) -> None:
    """Write a picture (3, n, n), a grey field (n, n) or a colour (3,) into a picture's pixels that the mask selects."""
    np.copyto(picture, planes(content), where=where)
