"""What each kind of land looks like from the air."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from .landcover_ground import Field, Ground, Parcels, blend, lookup, planes, put

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


def agriculture(ground: Ground, fields: Parcels) -> Field:
    """Fields, each of one crop at one stage, most with rows at the field's own angle; some watered by pivots."""
    rng, unit, number = ground.rng, ground.unit, fields.number
    table = rng.uniform(size=(6, fields.total)).astype(np.float32)
    crop, other = rng.integers(0, len(_GROWTH), (2, fields.total))
    share = 0.4 * table[0]
    colour = _GROWTH[crop].T * (1 - share) + _GROWTH[other].T * share
    soil = _SOIL[rng.integers(0, len(_SOIL), fields.total)].T
    colour = np.where(table[1] < 0.14, soil, colour)
    angle, frequency = np.pi * table[2], 2 * np.pi / (unit * (2.4 + 3.2 * table[3]))
    strength = np.clip(table[4] - 0.25, 0, 1) * 0.10
    rows = ground.along(0) * lookup(np.cos(angle) * frequency, number)
    rows += ground.along(math.pi / 2) * lookup(np.sin(angle) * frequency, number)
    rows += unit * 0.8 * ground.noise(40 * unit) * lookup(frequency, number)
    np.sin(rows, out=rows)
    rows *= lookup(strength, number)
    light = 1 + 1.6 * (rows + 0.030 * ground.noise(22 * unit, 3) + 0.02 * ground.noise(1.6 * unit))
    picture: Field = lookup(colour, number)
    picture *= light
    if fields.radius is not None:  # round fields in square parcels
        put(picture, fields.radius > 0.95, blend(_SOIL[1], _GROWTH[3], 0.5 + 0.3 * ground.noise(15 * unit, 3)))
    hedge = _LEAVES[0] if rng.random() < 0.5 else _SOIL[1]
    fenced = lookup(table[5] < 0.75, number)
    line = fenced & (fields.edge < unit * (0.45 + 0.35 * ground.noise(8 * unit)))
    put(picture, line, planes(hedge) * (1 + 0.1 * ground.noise(2 * unit)))
    return picture


def rangeland(ground: Ground) -> Field:
    """Grass and dry patches that melt into each other, with shrubs here and there."""
    rng, unit = ground.rng, ground.unit
    green, dry = _GROWTH[rng.integers(0, 3)], _GROWTH[rng.integers(3, 5)]
    patches = blend(green, dry, 0.5 + 0.55 * ground.noise(13 * unit, 4, 0.6))
    thin = blend(patches, _SOIL[rng.integers(0, 4)], 0.7 * ground.noise(20 * unit, 3) - rng.uniform(0.5, 1.2))
    thin *= 1 + 0.075 * ground.noise(4 * unit, 2, 0.7)
    shrubs = ground.noise(2.6 * unit) + 0.7 * ground.noise(30 * unit, 2) > rng.uniform(1.5, 2.1)
    put(thin, shrubs, _LEAVES[1] * 1.15)
    return thin


def forest(ground: Ground) -> Field:
    """A dark canopy of lumpy crowns."""
    rng, unit = ground.rng, ground.unit
    first, second = _LEAVES[rng.integers(0, 3, 2)]
    leaves = blend(first, second, 0.5 + 0.4 * ground.noise(20 * unit, 2))
    light = 1 + 0.34 * ground.lumps(unit * rng.uniform(2.6, 4.0)) + 0.08 * ground.noise(16 * unit, 2)
    leaves *= light * rng.uniform(0.9, 1.35)
    return leaves


def water(ground: Ground) -> Field:
    """Smooth and dark, with faint ripples."""
    rng, unit = ground.rng, ground.unit
    angle, bend = rng.uniform(0, np.pi), 2.0 * unit * ground.noise(14 * unit)
    ripples: Field = np.sin((ground.along(angle) + bend) * (2 * math.pi / (5 * unit)))
    light = 1 + 0.06 * ground.noise(ground.n / 3, 2) + 0.025 * ripples * ground.noise(20 * unit)
    surface: Field = planes(_WATER[rng.integers(0, len(_WATER))]) * light
    return surface


def barren(ground: Ground) -> Field:
    """Bright sand, gravel and rock, grainy, with the traces of wind and rain."""
    rng, unit = ground.rng, ground.unit
    first, second = _SOIL[rng.integers(0, len(_SOIL), 2)]
    sand = blend(first, second * 0.92, 0.5 + 0.4 * ground.noise(22 * unit, 4, 0.6))
    gullies = np.exp(-((ground.noise(20 * unit, 3) * 6) ** 2))
    sand *= 1.08 + 0.09 * ground.noise(1.8 * unit, 2) + 0.05 * ground.noise(7 * unit, 2) - 0.20 * gullies
    return sand


def urban(ground: Ground) -> Field:
    """Streets, lots, roofs with their shadows, yards and trees."""
    rng, unit = ground.rng, ground.unit
    angle = float(rng.uniform(0, np.pi))
    blocks = ground.parcels(15 * unit, 26 * unit, angle, 1.5 * unit)
    lots = ground.parcels(4.5 * unit, 8.5 * unit, angle, 0.4 * unit)
    table = rng.uniform(size=(3, lots.total)).astype(np.float32)
    roofs = _ROOFS[rng.integers(0, len(_ROOFS), lots.total)].T * (0.85 + 0.3 * table[0])
    # A lot that is not built on has a margin that it nowhere reaches.
    margin = np.where(table[2] < 0.82, unit * (0.7 + 0.9 * table[1]), np.float32(np.inf))
    built = (lots.edge > lookup(margin, lots.number)) & (blocks.edge > 1.9 * unit)
    throw = max(int(0.8 * unit), 1)
    shadow = np.roll(built, (throw, throw), (0, 1)) & ~built
    picture = blend(_GROWTH[0] * 0.95, _SOIL[1], 0.45 + 0.4 * ground.noise(9 * unit, 2))
    put(picture, ground.noise(2.6 * unit) > 1.35, _LEAVES[1])
    put(picture, blocks.edge < 1.3 * unit, 0.50 + 0.02 * ground.noise(2 * unit))
    put(picture, built, lookup(roofs, lots.number))
    picture *= np.where(shadow, np.float32(0.55), np.float32(1))
    return picture
