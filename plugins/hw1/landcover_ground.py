"""What each kind of land looks like from the air: the procedural textures behind ``landcover_scenes``."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Field: TypeAlias = NDArray[np.float32]

# What grows on fields grows on rangeland too, and so does bare soil: colour alone shall not tell them apart.
_GROWTH: Final = np.array(
    [(0.29, 0.37, 0.20), (0.38, 0.43, 0.25), (0.23, 0.31, 0.17), (0.52, 0.47, 0.33), (0.45, 0.38, 0.28)], np.float32
)
_SOIL: Final = np.array([(0.66, 0.58, 0.45), (0.58, 0.49, 0.38), (0.70, 0.65, 0.55), (0.54, 0.44, 0.33)], np.float32)
_ROOFS: Final = np.array(
    [(0.62, 0.60, 0.58), (0.54, 0.36, 0.30), (0.78, 0.76, 0.74), (0.42, 0.41, 0.42), (0.60, 0.52, 0.43)], np.float32
)
_WATER: Final = np.array([(0.10, 0.17, 0.22), (0.13, 0.20, 0.19), (0.22, 0.24, 0.19), (0.07, 0.11, 0.15)], np.float32)
_LEAVES: Final = np.array([(0.13, 0.20, 0.10), (0.17, 0.23, 0.13), (0.11, 0.17, 0.11)], np.float32)


class Parcels(NamedTuple):
    """A turned, uneven grid; every array is (n, n).

    Args:
        number: which parcel a pixel lies in, below ``total``.
        edge: distance in pixels to the parcel's nearest side.
        radius: distance from the parcel's middle, 1 where the largest circle inside it ends.
        total: how many numbers there are.
    """

    number: NDArray[np.int64]
    edge: Field
    radius: Field
    total: int


class Ground:
    """Draws one scene's textures, each a colour field (n, n, 3) in 0..1.

    Args:
        rng: the scene's own generator.
        n: width and height in pixels.
        unit: pixels to the "metre" in which textures are measured.
    """

    def __init__(self, rng: np.random.Generator, n: int, unit: float) -> None:
        self.rng, self.n, self.unit = rng, n, unit
        axis = np.arange(n, dtype=np.float32) - n / 2
        self.y, self.x = np.meshgrid(axis, axis, indexing="ij")

    def noise(self, wavelength: float, octaves: int = 1, roughness: float = 0.5) -> Field:
        """A smooth random field with mean 0 and deviation about 1; the wavelength in pixels."""
        total, weight, power = np.zeros((self.n, self.n), np.float32), 1.0, 0.0
        for _ in range(octaves):
            span = self.n / max(wavelength, 1.0)
            cells = int(span) + 6
            grid = Image.fromarray(self.rng.standard_normal((cells, cells), np.float32))
            left, top = self.rng.uniform(2, 3, 2)
            box = (left, top, left + span, top + span)
            total += weight * np.asarray(grid.resize((self.n, self.n), Image.Resampling.BICUBIC, box=box))
            power += weight**2
            weight, wavelength = weight * roughness, wavelength / 2
        return total * np.float32(1.25 / power**0.5)

    def parcels(self, least: float, most: float, angle: float, bend: float = 0.0) -> Parcels:
        """A grid at an angle (radians) with sides of ``least`` to ``most`` pixels, bent by about ``bend`` pixels."""
        u = self.x * np.cos(angle) + self.y * np.sin(angle) + bend * self.noise(self.n / 2)
        v = self.y * np.cos(angle) - self.x * np.sin(angle) + bend * self.noise(self.n / 2)
        lines = int(4 * self.n / least) + 4
        across, along = np.cumsum(self.rng.uniform(least, most, (2, lines)), axis=1) - 1.2 * self.n
        column = np.clip(np.searchsorted(across, u), 1, lines - 1)
        # Each column of parcels has its cross lines at another height.
        v = v + self.rng.uniform(0, most, lines)[column]
        row = np.clip(np.searchsorted(along, v), 1, lines - 1)
        width, height = across[column] - across[column - 1], along[row] - along[row - 1]
        aside, above = u - across[column - 1], v - along[row - 1]
        edge = np.minimum(np.minimum(aside, width - aside), np.minimum(above, height - above))
        radius = 2 * np.hypot(aside - width / 2, above - height / 2) / np.minimum(width, height)
        return Parcels(column * lines + row, edge.astype(np.float32), radius.astype(np.float32), lines * lines)

    def mix(self, first: ArrayLike, second: ArrayLike, share: Field) -> Field:
        """Between two colours: the first where ``share`` is 0 or less, the second where it is 1 or more."""
        share = np.clip(share, 0, 1)[..., None]
        return (np.asarray(first, np.float32) * (1 - share) + np.asarray(second, np.float32) * share).astype(np.float32)

    def lumps(self, size: float) -> Field:
        """Rounded crowns of about ``size`` pixels, lit from one side: brightness about 0."""
        height = self.noise(size) + 0.6 * self.noise(size * 2.1)
        height = np.maximum(height, -0.3)
        return (0.5 * height + 0.6 * (height - np.roll(height, (2, 2), (0, 1)))).astype(np.float32)

    def agriculture(self, fields: Parcels) -> Field:
        """Fields, each of one crop at one stage, most with rows at the field's own angle."""
        rng, unit = self.rng, self.unit
        table = rng.uniform(size=(fields.total, 6)).astype(np.float32)
        crop, other = rng.integers(0, len(_GROWTH), (2, fields.total))
        colour = _GROWTH[crop] * (1 - 0.4 * table[:, :1]) + _GROWTH[other] * 0.4 * table[:, :1]
        bare = table[:, 1] < 0.14
        colour[bare] = _SOIL[rng.integers(0, len(_SOIL), fields.total)][bare]
        angle = np.pi * table[:, 2]
        length = unit * (2.4 + 3.2 * table[:, 3])
        strength = np.clip(table[:, 4] - 0.25, 0, 1) * 0.10
        at = fields.number
        across = self.x * np.cos(angle)[at] + self.y * np.sin(angle)[at] + unit * 0.8 * self.noise(40 * unit)
        rows = np.sin(2 * np.pi * across / length[at]).astype(np.float32) * strength[at]
        tone = rows + 0.030 * self.noise(22 * unit, 3) + 0.02 * self.noise(1.6 * unit)
        picture = colour[at] * (1 + 1.6 * tone[..., None])
        if rng.random() < 0.15:  # watered by pivots: round fields in square parcels
            dry = self.mix(_SOIL[1], _GROWTH[3], 0.5 + 0.3 * self.noise(15 * unit, 3))
            picture = np.where((fields.radius > 0.95)[..., None], dry, picture)
        hedge = _LEAVES[0] if rng.random() < 0.5 else _SOIL[1]
        line = (fields.edge < unit * (0.45 + 0.35 * self.noise(8 * unit))) & (table[:, 5][at] < 0.75)
        hedges = hedge * (1 + 0.1 * self.noise(2 * unit)[..., None])
        fenced: Field = np.where(line[..., None], hedges, picture).astype(np.float32)
        return fenced

    def rangeland(self) -> Field:
        """Grass and dry patches that melt into each other, with shrubs here and there."""
        rng, unit = self.rng, self.unit
        green, dry = _GROWTH[rng.integers(0, 3)], _GROWTH[rng.integers(3, 5)]
        patches = self.mix(green, dry, 0.5 + 0.55 * self.noise(13 * unit, 4, 0.6))
        thin = self.mix(patches, _SOIL[rng.integers(0, 4)], 0.7 * self.noise(20 * unit, 3) - rng.uniform(0.5, 1.2))
        thin = thin * (1 + 0.075 * self.noise(4 * unit, 2, 0.7))[..., None]
        shrubs = self.noise(2.6 * unit) + 0.7 * self.noise(30 * unit, 2) > rng.uniform(1.5, 2.1)
        return np.where(shrubs[..., None], _LEAVES[1] * np.float32(1.15), thin).astype(np.float32)

    def forest(self) -> Field:
        """A dark canopy of lumpy crowns."""
        rng, unit = self.rng, self.unit
        first, second = _LEAVES[rng.integers(0, 3, 2)]
        leaves = self.mix(first, second, 0.5 + 0.4 * self.noise(20 * unit, 2))
        light = 1 + 0.34 * self.lumps(unit * rng.uniform(2.6, 4.0)) + 0.08 * self.noise(16 * unit, 2)
        canopy: Field = (leaves * light[..., None] * rng.uniform(0.9, 1.35)).astype(np.float32)
        return canopy

    def water(self) -> Field:
        """Smooth and dark, with faint ripples."""
        rng, unit = self.rng, self.unit
        angle, bend = rng.uniform(0, np.pi), 2.0 * unit * self.noise(14 * unit)
        ripples = np.sin((self.x * np.cos(angle) + self.y * np.sin(angle) + bend) * (2 * np.pi / (5 * unit)))
        light = 1 + 0.06 * self.noise(self.n / 3, 2) + 0.025 * ripples * self.noise(20 * unit)
        surface: Field = (_WATER[rng.integers(0, len(_WATER))] * light[..., None]).astype(np.float32)
        return surface

    def barren(self) -> Field:
        """Bright sand, gravel and rock, grainy, with the traces of wind and rain."""
        rng, unit = self.rng, self.unit
        first, second = _SOIL[rng.integers(0, len(_SOIL), 2)]
        ground = self.mix(first, second * 0.92, 0.5 + 0.4 * self.noise(22 * unit, 4, 0.6))
        gullies = np.exp(-((self.noise(20 * unit, 3) * 6) ** 2))
        light = 1.08 + 0.09 * self.noise(1.8 * unit, 2) + 0.05 * self.noise(7 * unit, 2) - 0.20 * gullies
        sand: Field = (ground * light[..., None]).astype(np.float32)
        return sand

    def urban(self) -> Field:
        """Streets, lots, roofs with their shadows, yards and trees."""
        rng, unit = self.rng, self.unit
        angle = float(rng.uniform(0, np.pi))
        blocks = self.parcels(15 * unit, 26 * unit, angle, 1.5 * unit)
        lots = self.parcels(4.5 * unit, 8.5 * unit, angle, 0.4 * unit)
        table = rng.uniform(size=(lots.total, 3)).astype(np.float32)
        yard = self.mix(_GROWTH[0] * 0.95, _SOIL[1], 0.45 + 0.4 * self.noise(9 * unit, 2))
        roofs = _ROOFS[rng.integers(0, len(_ROOFS), lots.total)] * (0.85 + 0.3 * table[:, :1])
        built = (lots.edge > unit * (0.7 + 0.9 * table[:, 1][lots.number])) & (table[:, 2][lots.number] < 0.82)
        street = blocks.edge < 1.3 * unit
        built &= blocks.edge > 1.9 * unit
        throw = max(int(0.8 * unit), 1)
        shadow = np.roll(built, (throw, throw), (0, 1)) & ~built
        trees = (self.noise(2.6 * unit) > 1.35) & ~built
        picture = np.where(trees[..., None], _LEAVES[1], yard)
        picture = np.where(street[..., None], np.float32(0.50) + 0.02 * self.noise(2 * unit)[..., None], picture)
        picture = np.where(built[..., None], roofs[lots.number], picture)
        return np.where(shadow[..., None], picture * np.float32(0.55), picture).astype(np.float32)
