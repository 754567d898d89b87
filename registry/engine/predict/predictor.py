"""Images -> tiles -> probabilities at the images' own size: what files, the Python API and exported models share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from torch import Tensor

from ...errors import InputError
from ..build import compose
from ..data.augmented import Augmented
from ..data.preprocess import checked
from ..train.saved_run import SavedRun
from .tiles import OwnSize, Tile, TileBlender, Tiling, batches
from .views import Views

#: Pixels in a batch on a CPU, where more cost memory and gain no speed.
_CPU_PIXELS: Final = 1_000_000


class Predictor:
    """A run that predicts.

    Args:
        saved: the run.
        flips, scales: see ``Views``.
        tile: side of a tile in pixels; None for the size that the run has seen.
        overlap: least share of a tile that the next one covers too, 0..0.9.
        batch_size: images, or tiles, that the model gets at once; that of the run's evaluation when None.

    Attributes:
        dense: whether the model gives a class for every pixel, not for the whole image.
        transform: the evaluation augmentations, an albumentations ``Compose``; None without any.
        left_out: those that do not keep the geometry that a mask needs, by name, and so are not in ``transform``.
        tiling: when and how an image is cut.

    Raises:
        InputError: the run does not predict classes.
    """

    def __init__(
        self,
        saved: SavedRun,
        *,
        flips: Sequence[str] = (),
        scales: Sequence[float] = (1.0,),
        tile: int | None = None,
        overlap: float = 0.25,
        batch_size: int | None = None,
    ) -> None:
        loop, cpu = saved.plan.loop, saved.runtime.device.type == "cpu"
        self._views = Views(saved, flips, scales)
        self.dense = _gives_masks(saved)
        self.transform, self.left_out = _keeping_geometry(saved.transform) if self.dense else (saved.transform, [])
        self.tiling = Tiling.of(saved.facts.get("image_sizes", {}), tile, overlap)
        self.batch_size = batch_size or loop.eval_batch_size or loop.batch_size
        self._most_pixels = _CPU_PIXELS if cpu and batch_size is None else None

    def predict(self, tiles: Iterable[Tile]) -> Iterator[Tile]:
        """Pass tiles through the model; each is yielded after it has taken its probabilities."""
        for batch in batches(tiles, self.batch_size, self._most_pixels):
            probabilities = self._views([tile.pixels for tile in batch])
            if not self.dense:
                probabilities = probabilities.cpu()
            for tile, predicted in zip(batch, probabilities, strict=True):
                tile.take(tile.position, predicted)
                yield tile
            del batch, probabilities

    def __call__(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Probabilities of each image, float32 on the CPU: (classes,), or (classes, H, W) at the image's own size.

        Args:
            images: uint8 (H, W, 3), of any sizes.
        """
        found: dict[int, Tensor] = {}
        for _ in self.predict(self._tiles(images, found)):
            pass
        return [found[index] for index in range(len(images))]

    def _tiles(self, images: Sequence[np.ndarray], found: dict[int, Tensor]) -> Iterator[Tile]:
        samples = Augmented(ImagesInMemory(images), self.transform, seed=None)
        for index, image in enumerate(images):
            changed = checked(samples[0, index])["image"]
            if not self.dense:
                yield Tile(changed, (0, 0), 1.0, lambda _, seen, index=index: found.update({index: seen}))  # type: ignore[misc]
                continue
            own = OwnSize(changed.shape[:2], image.shape[:2], partial(_put, found, index, image.shape[:2]))
            tile = self.tiling.tile_for(changed.shape[:2])
            blender = TileBlender(changed, tile, self.tiling.overlap, own.take)  # type: ignore[arg-type]
            for position, pixels in blender.cut(changed):
                yield Tile(pixels, position, 1 / len(blender), blender.take)


class ImagesInMemory:
    """Images in memory as samples."""

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self.images, self.names = images, [f"image {number}" for number in range(1, len(images) + 1)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "name": self.names[index]}


def _put(found: dict[int, Tensor], index: int, size: Sequence[int], top: int, rows: Tensor) -> None:
    """Keep rows of an image's probabilities."""
    if top == 0:
        found[index] = rows.new_empty(rows.shape[0], *size, device="cpu")
    found[index][:, top : top + rows.shape[1]] = rows


def _gives_masks(saved: SavedRun) -> bool:
    """Whether the model gives a class for every pixel, found by a forward pass.

    Raises:
        InputError: it gives neither labels nor masks of the run's classes.
    """
    if not saved.task.predicts_classes:
        message = f"is a run of {saved.plan.trainer.name}, which does not predict classes"
        raise InputError.of(str(saved.folder.path), message, "predict needs a run with classes")
    sizes = saved.facts.get("image_sizes", {})
    height, width = sizes.get("val") or sizes.get("train") or (224, 224)
    shape = tuple(Views(saved)([np.zeros((height, width, saved.facts.get("in_channels", 3)), np.uint8)]).shape)
    classes = saved.facts.get("num_classes")
    if classes is None or shape[1] != classes:
        message = f"gives {shape[1:]} for an image, expected a probability of each of the run's {classes or 'classes'}"
        raise InputError.of(str(saved.folder.path), message, "predict needs a run with classes")
    if len(shape) == 4 and classes > 256:
        raise InputError.of(str(saved.folder.path), f"has {classes} classes, and a mask holds 256 at most")
    return len(shape) == 4


def _keeping_geometry(transform: Any | None) -> tuple[Any | None, list[str]]:
    """Without transforms that move, crop or pad, after which a mask does not fit its image; and these ones' names.

    Resizing is kept, since the mask is resized back, and so are transforms of values alone. None where none is left.
    """
    if transform is None:
        return None, []
    import albumentations as A

    resizing = (A.Resize, A.LongestMaxSize, A.SmallestMaxSize)

    def stays(part: Any) -> bool:
        if isinstance(part, A.BaseCompose):
            return all(stays(inner) for inner in part.transforms)
        return isinstance(part, resizing) or not isinstance(part, A.DualTransform)

    kept = [part for part in transform.transforms if stays(part)]
    left_out = [type(part).__name__ for part in transform.transforms if not stays(part)]
    return compose(kept) if kept else None, left_out
