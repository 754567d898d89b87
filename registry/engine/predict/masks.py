"""Predicted masks as image files of the size of their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import InputError, Problem
from ...files import atomic_write, flush_folder
from ..data.colors import colorize, displayed, overlay
from .inputs import Inputs, Settings
from .threads import Writer
from .tiles import OwnSize, Size, Tile, TileBlender, Tiling

#: Rows of an overlay that are mixed at a time: the mixture is in floating point.
_ROWS = 256
#: A JPEG's longest side.
_JPEG_SIDE = 65_500


class Masks:
    """``NAME_mask.png`` for every image, below the folder as the images lie below the inputs.

    Args:
        found: what is predicted.
        settings: where the files go, and which are written.
        facts: of the run: (R, G, B) of each class, and what an image's stem has after NAME.
        tiling: when and how an image is cut.

    Raises:
        InputError: two images would have one mask, a mask would overwrite an image, or ``out`` is a file.
    """

    def __init__(self, found: Inputs, settings: Settings, facts: Mapping[str, Any], tiling: Tiling) -> None:
        out = settings.out
        if out.exists() and not out.is_dir():
            raise InputError.of(str(out), "is a file, and masks need a folder", "name a folder with --out")
        self.path, self.failures = out, out / "failures.csv"
        self.settings, self.colors, self.tiling = settings, facts["class_colors"], tiling
        suffix, self._bases = facts.get("image_suffix", ""), list[Path]()
        for path in (PurePosixPath(image.name) for image in found.images):
            self._bases.append(out / path.parent / (path.stem.removesuffix(suffix) or path.stem))
        _refuse_clashes(found, self._bases)
        self._writer = Writer(threads=2)
        self._unfinished: set[_Mask] = set()
        out.mkdir(parents=True, exist_ok=True)

    def tiles(self, index: int, sample: dict[str, Any]) -> Iterator[Tile]:
        """The image whole, or its tiles; padded to sizes that networks take."""
        image = sample["image"]
        mask = _Mask(self.settings, self.colors, self._bases[index], image.shape[:2], sample["own"])
        self._unfinished.add(mask)

        def take_rows(top: int, probabilities: Tensor) -> None:
            if mask.take(top, probabilities):
                self._unfinished.discard(mask)
                self._writer.submit(mask.labels.size, mask.write)

        blender = TileBlender(image, self.tiling.tile_for(image.shape[:2]), self.tiling.overlap, take_rows)
        for position, pixels in blender.cut(image):
            yield Tile(pixels, position, 1 / len(blender), blender.take)

    def kept(self) -> str:
        """What is left of a prediction that was interrupted."""
        return f"the masks written so far are in {self.path}, each of them whole"

    def add_unreadable(self, index: int) -> None:
        """An image that cannot be read has no mask."""

    def __enter__(self) -> Masks:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Wait for the files that are being written; after an exception, drop the others."""
        self._writer.close(abandon=kind is not None)
        for mask in self._unfinished:
            mask.partial_scores.unlink(missing_ok=True)
        for folder in {base.parent for base in self._bases if base.parent.is_dir()}:
            flush_folder(folder)


class _Mask(OwnSize):
    """The files of one image.

    Args:
        settings: which files are written, and how.
        colors: (R, G, B) of each class.
        base: the files' path without its ending.
        size: (H, W) that the model predicts, which a resizing augmentation may have changed.
        own: the image as it is in its file.
    """

    def __init__(self, settings: Settings, colors: Sequence[Any], base: Path, size: Size, own: np.ndarray) -> None:
        super().__init__(size, (int(own.shape[0]), int(own.shape[1])), self._own_rows)
        self.settings, self.colors, self.base = settings, colors, base
        self.labels = np.empty(self.own, np.uint8)
        self.partial_scores = base.with_name(f".{base.name}_scores.npy.partial")
        self._image = displayed(own) if settings.overlays else None

    def _own_rows(self, top: int, probabilities: Tensor) -> None:
        classes, count, _ = probabilities.shape
        # max, since argmax over the first axis takes several times as long on a CPU
        self.labels[top : top + count] = probabilities.max(0).indices.to(torch.uint8).cpu().numpy()
        if self.settings.scores:
            if top == 0:
                self.base.parent.mkdir(parents=True, exist_ok=True)
                np.lib.format.open_memmap(self.partial_scores, "w+", np.float16, (classes, *self.own))
            # Mapped anew for each strip: what stays mapped counts as this process's memory.
            np.load(self.partial_scores, mmap_mode="r+")[:, top : top + count] = probabilities.half().cpu().numpy()

    def write(self) -> None:
        """Write the files; called in a thread."""
        self.base.parent.mkdir(parents=True, exist_ok=True)
        colored = self.settings.mask_format == "colors"
        pixels = colorize(self.labels, self.colors) if colored else self.labels
        self._save("_mask.png", pixels, compress_level=4)
        if self._image is not None:
            mixed = np.empty_like(self._image)
            for rows in (slice(top, top + _ROWS) for top in range(0, len(mixed), _ROWS)):
                mixed[rows] = overlay(self._image[rows], self.labels[rows], self.colors)
            self._save(f"_overlay.{'png' if max(self.own) > _JPEG_SIDE else 'jpg'}", mixed, quality=92, subsampling=0)
        if self.settings.scores:
            self.partial_scores.replace(_file(self.base, "_scores.npy"))

    def _save(self, end: str, pixels: np.ndarray, **options: Any) -> None:
        # Flushing each of many small files would take longer than all the rest; the folder is flushed at the end.
        with atomic_write(_file(self.base, end), "wb", flush=False) as file:
            Image.fromarray(pixels).save(file, "PNG" if end.endswith("png") else "JPEG", **options)


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
