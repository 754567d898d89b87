"""Predicted masks as image files of the size of their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import InputError, Problem
from ...files import atomic_write
from ..data.colors import colorize, overlay
from .inputs import Inputs, Settings
from .threads import Writer
from .tiles import Size, Tile, TileBlender, stretch
from .views import MULTIPLE

#: Rows of an overlay that are mixed at a time: the mixture is in floating point.
_ROWS = 256
#: A JPEG's longest side.
_JPEG_SIDE = 65_500


@dataclass(frozen=True)
class Tiling:
    """When and how an image is cut.

    Attributes:
        tile: larger images are cut into tiles of this size.
        overlap: minimum share of a tile that the next one covers too.
        seen: sizes that the network was trained or evaluated on, which need no padding.
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
        seen = [(int(height), int(width)) for height, width in sizes.values()]
        if tile is not None:
            return cls((_up(tile), _up(tile)), overlap, seen)
        if not seen:
            return cls((512, 512), overlap)
        largest = (max(height for height, _ in seen), max(width for _, width in seen))
        return cls(largest if largest in seen else (_up(largest[0]), _up(largest[1])), overlap, seen)

    def tile_for(self, size: Size) -> Size:
        """The size of the tiles of an image: its own, padded, where it is small enough."""
        if size in self.seen and size[0] <= self.tile[0] and size[1] <= self.tile[1]:
            return size
        height, width = (
            min(_up(side), most) if side <= most else most for side, most in zip(size, self.tile, strict=True)
        )
        return height, width


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


class Masks:
    """``NAME_mask.png`` for every image, below the folder as the images lie below the inputs.

    Args:
        found: what is predicted.
        settings: where the files go, and which are written.
        facts: of the run: (R, G, B) of each class, what an image's stem has after NAME, and the sizes seen.

    Raises:
        InputError: two images would have one mask, a mask would overwrite an image, or ``out`` is a file.
    """

    def __init__(self, found: Inputs, settings: Settings, facts: Mapping[str, Any]) -> None:
        out = settings.out
        if out.exists() and not out.is_dir():
            raise InputError.of(str(out), "is a file, and masks need a folder", "name a folder with --out")
        self.path, self.failures = out, out / "failures.csv"
        self.settings, self.colors = settings, facts["class_colors"]
        self.tiling = Tiling.of(facts.get("image_sizes", {}), settings.tile, settings.overlap)
        self._bases = [_base(out, image.name, facts.get("image_suffix", "")) for image in found.images]
        _refuse_clashes(found, self._bases)
        self._writer = Writer(threads=2)
        self._unfinished: set[_Mask] = set()
        out.mkdir(parents=True, exist_ok=True)

    def tiles(self, index: int, sample: dict[str, Any]) -> Iterator[Tile]:
        """The image whole, or its tiles; padded to sizes that networks take."""
        image, original = sample["image"], sample["own"]
        mask = _Mask(self, self._bases[index], image.shape[:2], original)
        self._unfinished.add(mask)
        blender = TileBlender(image, self.tiling.tile_for(image.shape[:2]), self.tiling.overlap, mask.rows)
        for position, pixels in blender.cut(image):
            yield Tile(pixels, position, 1 / len(blender), blender.take)

    def add_unreadable(self, index: int) -> None:
        """An image that cannot be read has no mask."""

    def finished(self, mask: _Mask) -> None:
        """All probabilities of an image are in: write its files."""
        self._unfinished.discard(mask)
        self._writer.submit(mask.labels.size, mask.write)

    def __enter__(self) -> Masks:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Wait for the files that are being written; after an exception, drop the others."""
        self._writer.close(abandon=kind is not None)
        for mask in self._unfinished:
            mask.discard()


class _Mask:
    """The files of one image.

    Args:
        masks: how they are written.
        base: their path without its ending.
        size: (H, W) that the model predicts, which a resizing augmentation may have changed.
        own: the image as it is in its file.
    """

    def __init__(self, masks: Masks, base: Path, size: Size, own: np.ndarray) -> None:
        self.masks, self.base, self.size = masks, base, size
        self.own: Size = (int(own.shape[0]), int(own.shape[1]))
        self.labels = np.empty(self.own, np.uint8)
        self._image = own if masks.settings.overlays else None
        self._small: Tensor | None = None
        self._scores = base.with_name(f".{base.name}_scores.npy.partial")

    def rows(self, top: int, probabilities: Tensor) -> None:
        """Take finished rows (classes, rows, W) of the size that the model predicts, from top to bottom."""
        below = top + probabilities.shape[1]
        if self.size == self.own:
            self._own_rows(top, probabilities)
        else:
            if self._small is None:
                self._small = probabilities.new_empty(probabilities.shape[0], *self.size)
            self._small[:, top:below] = probabilities
            if below == self.size[0]:
                for first, strip in stretch(self._small, self.own):
                    self._own_rows(first, strip)
                self._small = None
        if below == self.size[0]:
            self.masks.finished(self)

    def _own_rows(self, top: int, probabilities: Tensor) -> None:
        classes, count, _ = probabilities.shape
        self.labels[top : top + count] = probabilities.argmax(0).to(torch.uint8).cpu().numpy()
        if self.masks.settings.scores:
            if top == 0:
                self._scores.parent.mkdir(parents=True, exist_ok=True)
                shape = (classes, *self.own)
                np.lib.format.open_memmap(self._scores, "w+", np.float16, shape)
            # Mapped anew for each strip: what stays mapped counts as this process's memory.
            np.load(self._scores, mmap_mode="r+")[:, top : top + count] = probabilities.half().cpu().numpy()

    def write(self) -> None:
        """Write the files; called in a thread."""
        self.base.parent.mkdir(parents=True, exist_ok=True)
        colored = self.masks.settings.mask_format == "colors"
        with atomic_write(_file(self.base, "_mask.png"), "wb") as file:
            pixels = colorize(self.labels, self.masks.colors) if colored else self.labels
            Image.fromarray(pixels).save(file, "PNG", compress_level=4)
        if self._image is not None:
            end, kind = (".png", "PNG") if max(self.own) > _JPEG_SIDE else (".jpg", "JPEG")
            with atomic_write(_file(self.base, f"_overlay{end}"), "wb") as file:
                Image.fromarray(self._overlaid(self._image)).save(file, kind, quality=92, subsampling=0)
        if self.masks.settings.scores:
            self._scores.replace(_file(self.base, "_scores.npy"))

    def _overlaid(self, image: np.ndarray) -> np.ndarray:
        mixed = np.empty_like(image)
        for top in range(0, len(image), _ROWS):
            rows = slice(top, top + _ROWS)
            mixed[rows] = overlay(image[rows], self.labels[rows], self.masks.colors)
        return mixed

    def discard(self) -> None:
        """Delete what is incomplete."""
        self._scores.unlink(missing_ok=True)


def _base(out: Path, name: str, suffix: str) -> Path:
    path = PurePosixPath(name)
    return out / path.parent / (path.stem.removesuffix(suffix) or path.stem)


def _file(base: Path, end: str) -> Path:
    return base.with_name(base.name + end)


def _refuse_clashes(found: Inputs, bases: Sequence[Path]) -> None:
    """No mask may overwrite another one, or an image."""
    inputs = {image.path.resolve() for image in found.images}
    first: dict[Path, Path] = {}
    problems = []
    for image, base in zip(found.images, bases, strict=True):
        mask = _file(base, "_mask.png")
        if mask in first:
            message = f"would be written twice, for {first[mask]} and {image.path}"
            hint = "predict them into separate folders, or name the folder above them with --recursive"
            problems.append(Problem(str(mask), message, hint))
        elif mask.resolve() in inputs:
            problems.append(Problem(str(mask), "is an input, which would be overwritten", "name another --out"))
        first.setdefault(mask, image.path)
    if problems:
        raise InputError(problems[:10])
