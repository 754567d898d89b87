"""Procedural land seen from the air, with its masks, where no real data is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from registry import InputError
from registry.engine import Pixels

from .landcover import CLASS_NAMES, UNKNOWN, encode
from .landcover_ground import Field, Ground, Parcels

_AGRICULTURE, _WATER = CLASS_NAMES.index("agriculture"), CLASS_NAMES.index("water")
#: Mean share of each class but unknown, much as in DeepGlobe.
_SHARES: Final = (0.10, 0.54, 0.13, 0.11, 0.035, 0.085)
#: The validation scenes whose masks the recipe draws.
_SHOWN: Final = (13, 62, 104)


class LandCoverScenes:
    """Writes a data set in the layout of ``LandCover``, the same bytes for the same arguments.

    A scene depends on seed, size, split and its number alone: in any order, and a larger set holds the smaller one.
    Validation always starts with 0013, 0062 and 0104.

    Args:
        train: number of training scenes.
        validation: number of validation scenes.
        size: width and height in pixels.
        seed: 0 or more.
    """

    def __init__(self, train: int = 64, validation: int = 16, size: int = 128, seed: int = 0) -> None:
        others = (number for number in range(validation + len(_SHOWN)) if number not in _SHOWN)
        self._numbers = {"train": list(range(train)), "validation": [*_SHOWN, *others][:validation]}
        self.size = size
        self.seed = seed

    def make(self, folder: Path) -> dict[str, Any]:
        """Write ``train`` and ``validation`` into ``folder``; returns counts, size, seed and the share of each class.

        Raises:
            InputError: a split's folder holds files that are not of this set and would mix with it.
        """
        folder = Path(folder)
        scenes = [(split, number) for split, numbers in self._numbers.items() for number in numbers]
        stems = {folder / split / f"{number:04d}" for split, number in scenes}
        wanted = {f"{stem}{part}" for stem in stems for part in ("_sat.jpg", "_mask.png")}
        strange = sorted(str(path) for split in self._numbers for path in (folder / split).glob("*"))
        strange = [path for path in strange if path not in wanted]
        if strange:
            raise InputError.of(
                str(folder), f"holds {len(strange)} other files, such as {strange[0]}", "use a new folder"
            )
        for split in self._numbers:
            (folder / split).mkdir(parents=True, exist_ok=True)
        counts = np.zeros(len(CLASS_NAMES), np.int64)
        for split, number in scenes:
            image, mask = self.scene(split, number)
            counts += np.bincount(mask.ravel(), minlength=len(counts))
            Image.fromarray(image).save(folder / split / f"{number:04d}_sat.jpg", quality=90)
            Image.fromarray(encode(mask)).save(folder / split / f"{number:04d}_mask.png")
        shares = (counts / max(int(counts.sum()), 1)).round(4).tolist()
        made = {split: len(numbers) for split, numbers in self._numbers.items()}
        return {**made, "size": self.size, "seed": self.seed, "shares": dict(zip(CLASS_NAMES, shares, strict=True))}

    def scene(self, split: str, number: int) -> tuple[Pixels, Pixels]:
        """One scene of ``train`` or ``validation``: image (size, size, 3) and labels (size, size), both uint8."""
        entropy = np.random.SeedSequence([self.seed, list(self._numbers).index(split), number])
        # Drawn at twice the size, so that edges come out soft. Textures grow with the size's square root: a picture
        # of 512 shows more land than one of 128, and more of each tree.
        ground = Ground(np.random.Generator(np.random.PCG64(entropy)), 2 * self.size, 2 * (self.size / 128) ** 0.5)
        labels, fields = _layout(ground)
        picture = _air(ground, _painted(ground, labels, fields))
        picture, labels = _clouded(ground, picture, labels)
        picture = picture.reshape(self.size, 2, self.size, 2, 3).mean(axis=(1, 3))
        grain = ground.rng.standard_normal(picture.shape, np.float32) * ground.rng.uniform(0.006, 0.022)
        return (np.clip(picture + grain, 0, 1) * 255).round().astype(np.uint8), labels[::2, ::2].copy()


def _layout(ground: Ground) -> tuple[Pixels, Parcels]:
    """Labels (n, n) and the grid of fields: the class whose smooth random field is highest, and fields by parcels."""
    rng, n = ground.rng, ground.n
    share = rng.dirichlet(np.array(_SHARES) * 4.0)
    share = np.where(share < 0.02, 0, share) / share[share >= 0.02].sum()
    wide = n * rng.uniform(0.3, 0.55)
    heights = np.stack([ground.noise(wide, 5, 0.45) for _ in share])
    heights += _offsets(heights[:, ::4, ::4], share)[:, None, None]
    fields = ground.parcels(
        n / rng.uniform(7, 10), n / rng.uniform(3, 5), rng.uniform(0, np.pi), n * rng.uniform(0, 0.03)
    )
    # A parcel is farmed or not as a whole, mostly: straight borders against wild land, frayed a little.
    wet = heights.argmax(axis=0) == _WATER
    heights[_WATER] = -np.inf
    lead = heights[_AGRICULTURE] - np.delete(heights, _AGRICULTURE, axis=0).max(axis=0)
    number = fields.number.ravel()
    mean = np.bincount(number, lead.ravel(), fields.total) / np.maximum(np.bincount(number, minlength=fields.total), 1)
    heights[_AGRICULTURE] += 0.85 * (mean[fields.number] - lead)
    labels = heights.argmax(axis=0).astype(np.uint8)
    if rng.random() < 0.12:  # a river
        wet |= np.abs(ground.noise(n / 1.1, 4, 0.35) + rng.uniform(-0.4, 0.4)) < rng.uniform(0.03, 0.08)
    labels[wet] = _WATER
    return labels, fields


def _offsets(heights: Field, share: NDArray[np.float64]) -> Field:
    """What to add to each class's heights so that the highest has about its share of the land; -99 for no share."""
    offsets = np.where(share > 0, 0.0, -99.0)
    for _ in range(25):
        highest = (heights + offsets[:, None, None]).argmax(axis=0)
        actual = np.bincount(highest.ravel(), minlength=len(share)) / highest.size
        offsets += np.where(share > 0, 0.4 * np.log(np.maximum(share, 0.002) / np.maximum(actual, 0.002)), 0)
    return offsets.astype(np.float32)


def _painted(ground: Ground, labels: Pixels, fields: Parcels) -> Field:
    """Colours (n, n, 3) of the land, with the tracks and lone trees that no mask shows."""
    rng, unit = ground.rng, ground.unit
    painters = (
        ground.urban,
        lambda: ground.agriculture(fields),
        ground.rangeland,
        ground.forest,
        ground.water,
        ground.barren,
    )
    picture = np.zeros((*labels.shape, 3), np.float32)
    for label, paint in enumerate(painters):
        if (labels == label).any():
            picture = np.where((labels == label)[..., None], paint(), picture)
    dry = labels != _WATER
    trees = (ground.noise(2.2 * unit) + 0.7 * ground.noise(24 * unit) > rng.uniform(2.6, 3.4)) & dry
    picture = np.where(trees[..., None], np.array((0.15, 0.21, 0.12)), picture)
    if rng.random() < 0.6:
        angle = rng.uniform(0, np.pi)
        bent = ground.x * np.cos(angle) + ground.y * np.sin(angle) + ground.noise(ground.n / 1.5) * ground.n * 0.06
        road = (np.abs(bent - rng.uniform(-0.4, 0.4) * ground.n) < unit * rng.uniform(0.6, 1.1)) & dry
        picture = np.where(road[..., None], np.array((0.60, 0.57, 0.52)) * rng.uniform(0.8, 1.15), picture)
    return picture.astype(np.float32)


def _air(ground: Ground, picture: Field) -> Field:
    """The scene's light: uneven illumination, contrast, colour cast and haze."""
    rng = ground.rng
    light = rng.uniform(0.85, 1.35) * (1 + 0.06 * ground.noise(ground.n))
    cast = rng.normal(1.0, 0.05, 3)
    lit = np.clip(picture * light[..., None] * cast, 0, 1.2) ** rng.uniform(0.85, 1.15)
    haze = rng.uniform(0, 0.28) * np.clip(0.7 + 0.3 * ground.noise(ground.n / 1.5), 0, 1)[..., None]
    hazy: Field = (lit * (1 - haze) + np.array((0.62, 0.66, 0.70)) * haze).astype(np.float32)
    return hazy


def _clouded(ground: Ground, picture: Field, labels: Pixels) -> tuple[Field, Pixels]:
    """In some scenes a cloud with its shadow, or a strip that the camera missed: unknown."""
    rng, n = ground.rng, ground.n
    draw = rng.random()
    if draw < 0.14:
        height = ground.noise(n / 2.2, 5, 0.5)
        cover = np.clip((height - np.quantile(height, 1 - rng.uniform(0.02, 0.09))) * 3, 0, 1)
        shadow = np.pad(cover, ((n // 14, 0), (n // 18, 0)), mode="edge")[:n, :n, None]
        white = np.float32(0.93) + 0.03 * ground.noise(n / 8, 3)[..., None]
        veiled = picture * (1 - 0.4 * shadow) * (1 - cover[..., None]) + white * cover[..., None]
        return veiled.astype(np.float32), np.where(cover > 0.5, UNKNOWN, labels).astype(np.uint8)
    if draw < 0.20:
        angle = rng.uniform(0, 2 * np.pi)
        along = ground.x * np.cos(angle) + ground.y * np.sin(angle)
        missed = along > np.quantile(along, 1 - rng.uniform(0.02, 0.10))
        blank = np.where(missed[..., None], 0, picture).astype(np.float32)
        return blank, np.where(missed, UNKNOWN, labels).astype(np.uint8)
    return picture, labels
