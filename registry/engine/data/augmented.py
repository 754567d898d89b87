"""A split with its augmentations: what a sample becomes is a function of (seed, epoch, index), whoever computes it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from torch.utils.data import Dataset, get_worker_info

from ...errors import Hw1Error, InputError
from .images import UnreadableImage
from .loader import derive_seed
from .samples import Samples
from .skipping import SkippedSamples

#: Samples that are tried in place of one that cannot be read.
_MOST_TRIES: Final = 50


class KeptPixels(Protocol):
    """Where the pixels of decoded samples are kept; see ``DecodedSamples``."""

    def read(self, index: int) -> tuple[dict[str, np.ndarray], bool] | None: ...
    def write(self, index: int, sample: Mapping[str, np.ndarray], shrunk: bool) -> None: ...


class Augmented(Dataset[dict[str, Any]]):
    """A split with its augmentations, addressed by ``(epoch, index)``.

    Args:
        samples: the split; items hold ``image`` uint8 (H, W, C), ``name``, and ``mask`` or ``label``.
        transform: an albumentations ``Compose``; None leaves the samples as they are.
        shrink: a ``Compose`` of a resizing without randomness that precedes ``transform``; it is applied before pixels
            are kept.
        seed: of the augmentations; None for evaluation, where an augmentation must not be random.
        views: further ``Compose``s, each of which makes an image of its own of the augmented one; the sample then holds
            ``views``, a list, in place of ``image``.
        split: what messages and records call it.
        skipped: where samples that cannot be read are recorded, and another one takes their place; None raises.
    """

    def __init__(
        self,
        samples: Samples,
        transform: Any | None,
        *,
        seed: int | None,
        shrink: Any | None = None,
        views: Sequence[Any] | None = None,
        split: str = "",
        skipped: SkippedSamples | None = None,
    ) -> None:
        self.split, self.skipped = split, skipped
        self.samples, self.transform, self.seed, self.shrink, self.views = samples, transform, seed, shrink, views
        #: Where decoded pixels are kept; None decodes them each time.
        self.decoded: KeptPixels | None = None
        #: Of a loader with workers: the index of the sample that each is at, for messages.
        self.reading: Any = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """The sample of ``(epoch, index)``; ``{"error": ...}`` for one that cannot be read.

        An exception would lose its type on the way out of a worker; ``checked`` raises it.
        """
        worker = get_worker_info() if self.reading is not None else None
        if worker is not None:
            self.reading[worker.id] = key[1]
        try:
            return self._sample(*key)
        except Hw1Error as error:
            return {"error": error}
        finally:
            if worker is not None:
                self.reading[worker.id] = -1

    def _sample(self, epoch: int, index: int) -> dict[str, Any]:
        key = (self.seed or 0, epoch if self.seed is not None else 0, index)
        chosen, sample, skipped = self.readable(*key)
        sample["index"] = chosen
        if skipped:
            sample["skipped"] = skipped
        if self.transform is not None:
            sample |= _changed(self.transform, derive_seed(*key), sample, "augment")
        if self.views is not None:
            one = {"image": sample.pop("image"), "name": sample["name"]}
            sample["views"] = [
                _changed(view, derive_seed(*key, number), one, f"views.{number}")["image"]
                for number, view in enumerate(self.views)
            ]
        return sample

    def readable(self, *key: int) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """A sample after ``shrink``; where it cannot be read, and may be skipped, another one takes its place.

        Args:
            key: (seed, epoch, index); the other sample depends on these and on the files alone, so that workers and
                resumed runs choose the same one.

        Returns:
            Its index, the sample, and name and reason of every one that could not be read.

        Raises:
            UnreadableImage: it may not be skipped, or too many others cannot be read either.
        """
        skipped: list[tuple[str, str]] = []
        while True:
            index = derive_seed(*key, len(skipped)) % len(self) if skipped else key[-1]
            try:
                return index, self.before_transform(index), skipped
            except UnreadableImage as error:
                if self.skipped is None or len(skipped) == _MOST_TRIES:
                    raise
                problem = error.problems[0]
                skipped.append((str(self.samples.names[index]), f"{problem.path}: {problem.message}"))

    @cached_property
    def _labelling(self) -> tuple[Sequence[str], Sequence[int | None] | None]:
        return self.samples.names, getattr(self.samples, "labels", None)

    def before_transform(self, index: int) -> dict[str, Any]:
        """A sample after ``shrink``, decoded or read from where its pixels are kept."""
        kept = self.decoded.read(index) if self.decoded is not None else None
        if kept is not None:
            arrays, shrunk = kept
            names, labels = self._labelling
            sample: dict[str, Any] = {**arrays, "name": names[index]}
            if labels is not None and labels[index] is not None:
                sample["label"] = labels[index]
        else:
            sample, shrunk = dict(self.samples[index]), False
        small = sample if self.shrink is None or shrunk else sample | _changed(self.shrink, 0, sample, "augment")
        if self.decoded is not None and kept is None:
            smaller = small["image"].size < sample["image"].size
            self.decoded.write(index, small if smaller else sample, smaller)
        return small


def _changed(transform: Any, seed: int, sample: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Image and mask of a sample after a transform; ``path`` is for messages."""
    arrays = {key: sample[key] for key in ("image", "mask") if key in sample}
    # albumentations draws from generators of its own; without this every worker would draw the same stream. Not by
    # set_random_seed, which gives every transform the same seed: two flips would both be drawn, or neither.
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    try:
        changed: dict[str, Any] = transform(**arrays)
    except Exception as error:
        height, width = arrays["image"].shape[:2]
        message = f"fails on {sample['name']} ({width}x{height}): {type(error).__name__}: {error}"
        raise InputError.of(path, message, "look at sizes and arguments of the augmentations") from error
    if getattr(changed["image"], "dtype", None) != arrays["image"].dtype:
        message = f"an augmentation makes images that are not {arrays['image'].dtype} any more"
        raise InputError.of(path, message, "leave out Normalize, ToFloat, ToTensorV2: the run normalises itself")
    return changed
