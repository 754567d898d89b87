"""Procedural land seen from the air, with its masks, where no real data is at hand."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from registry import InputError
from registry.engine import Pixels

from . import landcover_textures as textures
from .landcover import CLASS_NAMES, UNKNOWN, encode
from .landcover_ground import Field, Ground, Mask, Parcels, lookup, planes, put

_AGRICULTURE, _WATER = CLASS_NAMES.index("agriculture"), CLASS_NAMES.index("water")
#: Mean share of each class but unknown, much as in DeepGlobe.
_SHARES: Final = (0.10, 0.54, 0.13, 0.11, 0.035, 0.085)
#: The validation scenes whose masks the recipe draws.
_SHOWN: Final = (13, 62, 104)
_TREE: Final = np.array((0.15, 0.21, 0.12), np.float32)
_ROAD: Final = np.array((0.60, 0.57, 0.52), np.float32)
#: A normally distributed number for each byte: the camera's grain, eight times faster than drawing from the generator.
_NORMAL: Final = np.array([NormalDist().inv_cdf((byte + 0.5) / 256) for byte in range(256)], np.float32)


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

    def make(self, folder: Path, threads: int | None = None) -> dict[str, Any]:
        """Write ``train`` and ``validation`` into ``folder``; returns counts, size, seed and the share of each class.

        Args:
            folder: where the splits are written.
            threads: how many to write with, without effect on the files; None for one for each core.

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
        # numpy and OpenCV compute outside the interpreter's lock, so threads keep all cores busy.
        with ThreadPoolExecutor(threads or _cores()) as pool:
            counts = sum(pool.map(lambda scene: self._write(folder, *scene), scenes), np.zeros(len(CLASS_NAMES), int))
        shares = (counts / max(int(counts.sum()), 1)).round(4).tolist()
        made = {split: len(numbers) for split, numbers in self._numbers.items()}
        return {**made, "size": self.size, "seed": self.seed, "shares": dict(zip(CLASS_NAMES, shares, strict=True))}

    def _write(self, folder: Path, split: str, number: int) -> NDArray[np.int64]:
        """Write one scene; returns the pixels of each class."""
        image, mask = self.scene(split, number)
        stem = folder / split / f"{number:04d}"
        _save(Path(f"{stem}_sat.jpg"), image, cv2.IMWRITE_JPEG_QUALITY, 90)
        _save(Path(f"{stem}_mask.png"), encode(mask), cv2.IMWRITE_PNG_COMPRESSION, 3)
        return np.bincount(mask.ravel(), minlength=len(CLASS_NAMES))

    def scene(self, split: str, number: int) -> tuple[Pixels, Pixels]:
        """One scene of ``train`` or ``validation``: image (size, size, 3) and labels (size, size), both uint8."""
        entropy = np.random.SeedSequence([self.seed, list(self._numbers).index(split), number])
        rng = np.random.Generator(np.random.PCG64(entropy))
        # Textures grow with the size's square root: a picture of 512 shows more land than one of 128, and more of each
        # tree. Land is drawn at twice the size, so that edges come out soft; light and clouds have no edges.
        unit = math.sqrt(self.size / 128)
        land, sky = Ground(rng, 2 * self.size, 2 * unit), Ground(rng, self.size, unit)
        labels, fields = _layout(land)
        half = (self.size, self.size)
        picture = np.stack(
            [cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in _painted(land, labels, fields)]
        )
        picture, labels = _clouded(sky, _air(sky, picture), labels[::2, ::2])
        grain = cv2.LUT(np.frombuffer(rng.bytes(picture.size), np.uint8).reshape(-1, 1), _NORMAL).reshape(picture.shape)
        picture += grain * rng.uniform(0.006, 0.022)
        pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        return cv2.merge(list(pixels)), np.ascontiguousarray(labels)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _save(path: Path, pixels: Pixels, *options: int) -> None:
    # Not by cv2.imwrite, which cannot write to every path and says nothing of a full disk.
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1]
    path.write_bytes(encoded.tobytes())


def _layout(ground: Ground) -> tuple[Pixels, Parcels]:
    """Labels (n, n) and the grid of fields: the class whose smooth random field is highest, and fields by parcels."""
    rng, n = ground.rng, ground.n
    share = rng.dirichlet(np.array(_SHARES) * 4.0)
    share = np.where(share < 0.02, 0, share) / share[share >= 0.02].sum()
    wide = n * rng.uniform(0.3, 0.55)
    heights = [ground.noise(wide, 5, 0.45) for _ in share]
    step = n // 32  # enough to count shares on
    for height, offset in zip(heights, _offsets(np.stack([h[::step, ::step] for h in heights]), share), strict=True):
        height += offset
    fields = ground.parcels(
        n / rng.uniform(7, 10),
        n / rng.uniform(3, 5),
        rng.uniform(0, math.pi),
        n * rng.uniform(0, 0.03),
        with_radius=rng.random() < 0.15,
    )
    wild = [label for label in range(len(share)) if label not in (_AGRICULTURE, _WATER)]
    labels = np.full((n, n), wild[0], np.uint8)
    highest = heights[wild[0]]
    for label in wild[1:]:
        labels[heights[label] > highest] = label
        highest = np.maximum(highest, heights[label])
    # A parcel is farmed or not as a whole, mostly: straight borders against wild land, frayed a little.
    lead = heights[_AGRICULTURE] - highest
    number = fields.number[::2, ::2].ravel()
    total = np.bincount(number, lead[::2, ::2].ravel(), fields.total)
    mean = total / np.maximum(np.bincount(number, minlength=fields.total), 1)
    labels[0.15 * lead + lookup(0.85 * mean.astype(np.float32), fields.number) > 0] = _AGRICULTURE
    wet = heights[_WATER] > np.maximum(highest, heights[_AGRICULTURE])
    if rng.random() < 0.12:  # a river
        wet |= np.abs(ground.noise(n / 1.1, 4, 0.35) + rng.uniform(-0.4, 0.4)) < rng.uniform(0.03, 0.08)
    labels[wet] = _WATER
    return labels, fields


def _offsets(heights: Field, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """What to add to each class's heights so that the highest has about its share of the land; -99 for no share."""
    offsets = np.where(share > 0, 0.0, -99.0)
    for _ in range(25):
        raised = heights + offsets[:, None, None].astype(np.float32)
        actual = (raised == raised.max(axis=0)).mean(axis=(1, 2))
        offsets += np.where(share > 0, 0.4 * np.log(np.maximum(share, 0.002) / np.maximum(actual, 0.002)), 0)
    return offsets


def _painted(ground: Ground, labels: Pixels, fields: Parcels) -> Field:
    """Colours (3, n, n) of the land, with the tracks and lone trees that no mask shows."""
    rng, unit, n = ground.rng, ground.unit, ground.n
    painters = {
        "urban": textures.urban,
        "agriculture": lambda ground: textures.agriculture(ground, fields),
        "rangeland": textures.rangeland,
        "forest": textures.forest,
        "water": textures.water,
        "barren": textures.barren,
    }
    picture = np.zeros((3, n, n), np.float32)
    for name, paint in painters.items():
        land = labels == CLASS_NAMES.index(name)
        if land.any():
            put(picture, land, paint(ground))
    dry = labels != _WATER
    put(picture, (ground.noise(2.2 * unit) + 0.7 * ground.noise(24 * unit) > rng.uniform(2.6, 3.4)) & dry, _TREE)
    if rng.random() < 0.6:
        bent = ground.along(rng.uniform(0, math.pi)) + ground.noise(n / 1.5) * (n * 0.06)
        road: Mask = (np.abs(bent - rng.uniform(-0.4, 0.4) * n) < unit * rng.uniform(0.6, 1.1)) & dry
        put(picture, road, _ROAD * rng.uniform(0.8, 1.15))
    return picture


def _air(ground: Ground, picture: Field) -> Field:
    """The scene's light: uneven illumination, contrast, colour cast and haze."""
    rng = ground.rng
    light = rng.uniform(0.85, 1.35) * (1 + 0.06 * ground.noise(ground.n))
    picture = picture * light * planes(rng.normal(1.0, 0.05, 3))
    lit = cv2.pow(np.clip(picture, 0, 1.2), rng.uniform(0.85, 1.15))
    haze = rng.uniform(0, 0.28) * np.clip(0.7 + 0.3 * ground.noise(ground.n / 1.5), 0, 1)
    hazy: Field = lit * (1 - haze) + planes((0.62, 0.66, 0.70)) * haze
    return hazy


def _clouded(ground: Ground, picture: Field, labels: Pixels) -> tuple[Field, Pixels]:
    """In some scenes a cloud with its shadow, or a strip that the camera missed: unknown."""
    rng, n = ground.rng, ground.n
    draw = rng.random()
    if draw < 0.14:
        height = ground.noise(n / 2.2, 5, 0.5)
        cover = np.clip((height - float(np.quantile(height, 1 - rng.uniform(0.02, 0.09)))) * 3, 0, 1)
        shadow = np.pad(cover, ((n // 14, 0), (n // 18, 0)), mode="edge")[:n, :n]
        white = 0.93 + 0.03 * ground.noise(n / 8, 3)
        veiled = picture * ((1 - 0.4 * shadow) * (1 - cover)) + white * cover
        return veiled, np.where(cover > 0.5, np.uint8(UNKNOWN), labels)
    if draw < 0.20:
        along = ground.along(rng.uniform(0, 2 * math.pi))
        missed = along > float(np.quantile(along, 1 - rng.uniform(0.02, 0.10)))
        return np.where(missed, np.float32(0), picture), np.where(missed, np.uint8(UNKNOWN), labels)
    return picture, labels
