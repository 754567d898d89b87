"""One raster of any size predicted into a GeoTIFF: windows are read, predicted, blended and written as they come.

Labels go to a plain file beside the result, a stripe of columns at a time, and what is done is recorded: the same
command goes on after a kill. At the end they become a tiled GeoTIFF with the georeference of the raster.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console as Terminal
from torch import Tensor

from ... import files
from ...errors import Hw1Error, InputError
from ..build import compose
from ..console import Console
from ..data.augmented import Augmented
from ..data.decoded import file_stamps
from ..data.images import open_raster, raster_pixels
from ..data.preprocess import checked
from ..data.samples import require_bands
from ..train.saved_run import SavedRun
from .inputs import Settings
from .predictor import ImagesInMemory, Predictor
from .tiles import Tile, TileBlender

#: Numbers, at most, in the probabilities of a stripe that are being blended: 256 MB.
_MOST: Final = 64_000_000
#: Side of the result's blocks, and rows between two records of what is done.
_BLOCK: Final = 512
#: Megabytes in which GDAL keeps blocks of the raster.
_GDAL_CACHE: Final = 256
#: The label of pixels without data.
_NO_DATA: Final = 255


def is_raster(settings: Settings) -> bool:
    """Whether one file is to be predicted into a GeoTIFF."""
    one = len(settings.inputs) == 1 and Path(settings.inputs[0]).is_file()
    return one and settings.out.suffix.lower() in (".tif", ".tiff") and not settings.out.is_dir()


def predict_raster(saved: SavedRun, model: Predictor, settings: Settings, terminal: Terminal) -> dict[str, Any]:
    """Predict a raster into ``settings.out``, or go on with it.

    Returns:
        ``kind``, ``images``, ``predicted`` and ``failed`` as of ``predict``; ``out``, ``size`` (width, height),
        ``tiles`` and ``seconds``.

    Raises:
        InputError: the run predicts no masks; the raster cannot be read or has other bands; an option has no effect.
        Hw1Error: the model fails, or the user stops it.
    """
    import rasterio

    console, path = Console(terminal), Path(settings.inputs[0])
    if settings.scores or settings.overlays:
        raise InputError.of("--scores, --overlay", "do not go with a GeoTIFF", "name a folder with --out")
    if not model.dense:
        raise InputError.of(str(settings.out), "is a GeoTIFF of masks, and this run predicts labels", "name a .csv")
    with rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE), open_raster(path) as opened:
        raster = _Raster(path, opened, saved, model.transform)
        for note in (*saved.notes, *raster.notes):
            console.note(note)
        work = _Work(raster, settings, model, saved)
        bar = console.progress(work.tiles, "tiles", done=work.tiles_before())
        with bar, work.labels.open("r+b") as file:
            try:
                for tile in model.predict(work.run(file.fileno())):
                    bar.advance(tile.share)
            except KeyboardInterrupt as stopped:
                raise Hw1Error(f"stopped by {stopped}", "the same command goes on") from None
        work.finish()
    console.say(f"{raster.shape[1]} x {raster.shape[0]} pixels in {bar.seconds:.1f} s: {settings.out}")
    return {
        "run": str(saved.folder.path),
        "epoch": saved.epoch,
        "kind": "masks",
        "images": 1,
        "predicted": 1,
        "failed": [],
        "out": str(settings.out),
        "size": [raster.shape[1], raster.shape[0]],
        "tiles": work.tiles,
        "seconds": round(bar.seconds, 3),
    }


class _Raster:
    """A raster that is read by windows, ``raster[top:bottom, left:right]``, as the run's images were.

    Attributes:
        shape: (H, W).
        notes: what of ``augment.eval`` is left out.
    """

    def __init__(self, path: Path, opened: Any, saved: SavedRun, transform: Any | None) -> None:
        import albumentations as A

        self.path, self.opened, self.facts = path, opened, saved.facts
        self.shape = (int(opened.height), int(opened.width))
        self.bands = saved.facts.get("bands", [1, 2, 3] if opened.count >= 3 else [1])
        parts = [] if transform is None else transform.transforms
        kept = [part for part in parts if not isinstance(part, A.DualTransform | A.BaseCompose)]
        left_out = ", ".join(type(part).__name__ for part in parts if part not in kept)
        note = f"skipped from augment.eval: {left_out}; a raster is predicted in its own pixels"
        self.notes, self._transform = [note] if left_out else [], compose(kept) if kept else None
        self[:1, :1]

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        from rasterio.windows import Window

        (top, bottom, _), (left, right, _) = (part.indices(size) for part, size in zip(window, self.shape, strict=True))
        place = Window(left, top, right - left, bottom - top)  # type: ignore[no-untyped-call]
        pixels = raster_pixels(self.path, self.opened, self.bands, place)
        if "bands" not in self.facts:
            if pixels.dtype != np.uint8:
                message = "has 16 bits, and the run was trained on RGB images of 8 bits"
                raise InputError.of(str(self.path), message, "convert it to 8 bits, or train with data.bands")
            pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        require_bands(self.path, pixels, self.facts)
        if self._transform is None:
            return pixels
        changed: np.ndarray = checked(Augmented(ImagesInMemory([pixels]), self._transform, seed=None)[0, 0])["image"]
        return changed


class _Work:
    """The labels of a raster on their way into the result.

    Attributes:
        tiles: to predict in all; those at the border of two stripes count twice.
    """

    def __init__(self, raster: _Raster, settings: Settings, model: Predictor, saved: SavedRun) -> None:
        self.raster, self.out, self.facts, (self.height, self.width) = raster, settings.out, saved.facts, raster.shape
        self.tile, self.overlap = model.tiling.tile_for(raster.shape), model.tiling.overlap
        least = _MOST // (saved.facts["num_classes"] * min(self.tile[0], self.height))
        step = max(_BLOCK, least // _BLOCK * _BLOCK, 2 * self.tile[1])
        self.stripes = [(left, min(left + step, self.width)) for left in range(0, self.width, step)]
        self.tiles = sum(len(self._blender(number, 0)) for number in range(len(self.stripes)))
        self.labels = self.out.with_name(f".{self.out.name}.labels")
        self.record = self.out.with_name(f".{self.out.name}.json")
        views = [*settings.flips, *settings.scales]
        run = [str(saved.folder.path.resolve()), saved.epoch]
        stamp = file_stamps([raster.path.resolve()])
        self.identity = json.loads(json.dumps([*run, stamp, self.tile, self.overlap, views, self.stripes]))
        self.stripe, self.row = self._known()

    def _known(self) -> tuple[int, int]:
        """The stripe and the row from which on labels are missing; from the start where the record is of other work."""
        try:
            known = json.loads(self.record.read_text())
            if known["identity"] == self.identity and self.labels.stat().st_size == self.height * self.width:
                return int(known["stripe"]), int(known["row"])
        except (OSError, ValueError, KeyError):
            pass
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.labels.open("wb") as file:
            file.truncate(self.height * self.width)
        return 0, 0

    def _blender(self, stripe: int, top: int, emit: Any = None) -> TileBlender:
        area = (top, *self.stripes[stripe])
        return TileBlender(self.raster, self.tile, self.overlap, emit, area=area)

    def tiles_before(self) -> int:
        """Tiles that an earlier attempt has done."""
        rest = range(self.stripe, len(self.stripes))
        return self.tiles - sum(len(self._blender(each, self.row if each == self.stripe else 0)) for each in rest)

    def run(self, file: int) -> Iterator[Tile]:
        """The tiles that are missing; their labels are written into the open file as soon as they are known."""
        for number in range(self.stripe, len(self.stripes)):
            first = self.row if number == self.stripe else 0
            blender = self._blender(number, first, _Rows(self, file, number, first).take)
            for position, pixels in blender.cut(self.raster):
                yield Tile(pixels, position, 1.0, blender.take)

    def finish(self) -> None:
        """Write the GeoTIFF, and remove the files beside it."""
        import rasterio

        source, shape = self.raster.opened, {"height": self.height, "width": self.width, "count": 1, "dtype": "uint8"}
        masked = "nodata" in {flag.name for flags in source.mask_flag_enums for flag in flags}
        masked = masked and len(self.facts["class_names"]) <= _NO_DATA
        blocks = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate"}
        place = {"crs": source.crs, "transform": source.transform, "nodata": _NO_DATA if masked else None}
        partial = self.out.with_name(f".{self.out.name}.{os.getpid()}.partial")
        try:
            big = "YES" if self.height * self.width > 2**32 else "IF_SAFER"
            with rasterio.open(partial, "w", driver="GTiff", BIGTIFF=big, **shape, **blocks, **place) as result:
                result.write_colormap(1, {n: (*map(int, rgb), 255) for n, rgb in enumerate(self.facts["class_colors"])})
                result.update_tags(1, **{f"class_{n}": name for n, name in enumerate(self.facts["class_names"])})
                with self.labels.open("rb") as file:
                    for top in range(0, self.height, _BLOCK):
                        rows = min(_BLOCK, self.height - top)
                        window = rasterio.windows.Window(0, top, self.width, rows)  # type: ignore[no-untyped-call]
                        labels = np.fromfile(file, np.uint8, rows * self.width).reshape(rows, self.width)
                        if masked:
                            labels[source.dataset_mask(window=window) == 0] = _NO_DATA
                        result.write(labels, 1, window=window)
            os.replace(partial, self.out)
        finally:
            partial.unlink(missing_ok=True)
        self.labels.unlink()
        self.record.unlink(missing_ok=True)


class _Rows:
    """Writes the labels of a stripe's finished rows, and records from time to time what is done."""

    def __init__(self, work: _Work, file: int, stripe: int, first: int) -> None:
        self.work, self.file, self.stripe, self.first, self._recorded = work, file, stripe, first, first

    def take(self, top: int, probabilities: Tensor) -> None:
        """Take finished rows (classes, rows, columns of the stripe), from top to bottom."""
        labels = probabilities.max(0).indices.to(torch.uint8).cpu().numpy()
        left = self.work.stripes[self.stripe][0]
        for row, values in enumerate(labels, top):
            if row >= self.first:  # above, tiles that the earlier attempt had predicted are missing
                os.pwrite(self.file, values.tobytes(), row * self.work.width + left)
        done = top + len(labels)
        if done - self._recorded >= _BLOCK or done == self.work.height:
            os.fsync(self.file)
            last = done == self.work.height
            known = {"stripe": self.stripe + last, "row": 0 if last else done}
            files.write_json(self.work.record, {"identity": self.work.identity, **known})
            self._recorded = done
