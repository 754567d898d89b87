"""Samples to batches: order and augmentation are functions of (seed, epoch, index), whoever computes them."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ...errors import Hw1Error, InputError

Sample = Mapping[str, Any]
#: Share of a step's time that loading has to take before other processes do it.
_WORTH_WORKERS: Final = 0.2


class Samples(Protocol):
    """A split of a data set; see the kind ``datasets``."""

    @property
    def names(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class KeptPixels(Protocol):
    """Where the pixels of decoded samples are kept; see ``DecodedSamples``."""

    def read(self, index: int) -> tuple[dict[str, np.ndarray], bool] | None: ...
    def write(self, index: int, sample: Mapping[str, np.ndarray], shrunk: bool) -> None: ...


def derive_seed(seed: int, *key: int) -> int:
    """A 32-bit seed that depends on every part of the key and on nothing else."""
    text = ",".join(str(part) for part in (seed, *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "little")


class EpochOrder(Sampler[list[tuple[int, int]]]):
    """Batches of ``(epoch, index)``: the epoch travels with the index, so that workers need no other message.

    Args:
        length: samples in the data set.
        batch_size: samples in a batch.
        seed: shuffles with it; None keeps the order of the data set.
        drop_single: leave out a last batch that would hold one sample.
        weights: (length,) how often each sample is drawn, with replacement; None takes every one once.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int | None,
        drop_single: bool = False,
        weights: Tensor | None = None,
    ) -> None:
        self.length, self.batch_size, self.seed, self.weights = length, batch_size, seed, weights
        self.drops_one = drop_single and length > 1 and length % batch_size == 1 and batch_size > 1
        self.epoch = 0
        self.first_batch = 0

    def start(self, epoch: int, first_batch: int = 0) -> None:
        """Which epoch the next iteration gives, and how many of its batches were done already."""
        self.epoch, self.first_batch = epoch, first_batch

    def order(self, epoch: int) -> list[int]:
        """The indices of an epoch in their order."""
        if self.seed is None:
            return list(range(self.length))
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
        if self.weights is not None:
            drawn = torch.multinomial(self.weights, self.length, replacement=True, generator=generator)
            return drawn.tolist()  # type: ignore[no-any-return]
        return torch.randperm(self.length, generator=generator).tolist()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        batches = -(-self.length // self.batch_size)
        return batches - 1 if self.drops_one else batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = self.order(self.epoch)
        for batch in range(self.first_batch, len(self)):
            indices = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [(self.epoch, index) for index in indices]


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
    """

    def __init__(
        self,
        samples: Samples,
        transform: Any | None,
        *,
        seed: int | None,
        shrink: Any | None = None,
        views: Sequence[Any] | None = None,
    ) -> None:
        self.samples, self.transform, self.seed, self.shrink, self.views = samples, transform, seed, shrink, views
        #: Where decoded pixels are kept; None decodes them each time.
        self.decoded: KeptPixels | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """The sample of ``(epoch, index)``; ``{"error": ...}`` for one that cannot be read.

        An exception would lose its type on the way out of a worker; ``checked`` raises it.
        """
        try:
            return self._sample(*key)
        except Hw1Error as error:
            return {"error": error}

    def _sample(self, epoch: int, index: int) -> dict[str, Any]:
        sample = self.before_transform(index)
        sample["index"] = index
        key = (self.seed or 0, epoch if self.seed is not None else 0, index)
        if self.transform is not None:
            sample |= _changed(self.transform, derive_seed(*key), sample, "augment")
        if self.views is not None:
            one = {"image": sample.pop("image"), "name": sample["name"]}
            sample["views"] = [
                _changed(view, derive_seed(*key, number), one, f"views.{number}")["image"]
                for number, view in enumerate(self.views)
            ]
        return sample

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
    # albumentations draws from a generator of its own; without this every worker would draw the same stream.
    transform.set_random_seed(seed)
    try:
        changed: dict[str, Any] = transform(**arrays)
    except Exception as error:
        height, width = arrays["image"].shape[:2]
        message = f"fails on {sample['name']} ({width}x{height}): {type(error).__name__}: {error}"
        raise InputError.of(path, message, "look at sizes and arguments of the augmentations") from error
    if getattr(changed["image"], "dtype", None) != np.uint8:
        message = "an augmentation makes images that are not uint8 any more"
        raise InputError.of(path, message, "leave out Normalize, ToFloat, ToTensorV2: the run normalises itself")
    return changed


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples: images and views as uint8 (B, C, H, W), masks as uint8 (B, H, W), labels as int64 (B,).

    A sample that could not be read, and samples that differ in size, make a batch ``{"error": ...}``.
    """
    for sample in samples:
        if "error" in sample:
            return sample
    names = [sample["name"] for sample in samples]
    batch: dict[str, Any] = {"name": names, "index": torch.tensor([sample["index"] for sample in samples])}
    try:
        if "image" in samples[0]:
            batch["image"] = _stacked([sample["image"] for sample in samples], names)
        if "feature" in samples[0]:
            batch["feature"] = torch.stack([sample["feature"] for sample in samples])
        if "views" in samples[0]:
            batch["views"] = [_stacked(list(view), names) for view in zip(*(s["views"] for s in samples), strict=True)]
    except InputError as error:
        return {"error": error}
    if "mask" in samples[0]:
        batch["mask"] = torch.from_numpy(np.stack([np.asarray(sample["mask"], np.uint8) for sample in samples]))
    labelled = sum("label" in sample for sample in samples)
    if 0 < labelled < len(samples):
        lone = next(sample["name"] for sample in samples if "label" not in sample)
        message = f"some samples have a label and others, such as {lone}, have none"
        return {"error": InputError.of("data", message, "take those without a label out of this split")}
    if labelled:
        batch["label"] = torch.tensor([int(sample["label"]) for sample in samples])
    return batch


def _stacked(images: Sequence[np.ndarray], names: Sequence[str]) -> Tensor:
    first = images[0].shape
    for image, name in zip(images, names, strict=True):
        if image.shape != first:
            seen = f"{names[0]} {first[1]}x{first[0]} and {name} {image.shape[1]}x{image.shape[0]}"
            height, width = (max(32, side // 32 * 32) for side in first[:2])
            resize = f"[{{use: albumentations/Resize, height: {height}, width: {width}}}]"
            hint = f"write in the recipe: augment: {{train: {resize}, eval: {resize}}}, or add a crop to both"
            raise InputError.of("augment", f"images of one batch differ in size: {seen}", hint)
    # Channels stay innermost in memory: (B, C, H, W) is a view, which is the channels_last layout already.
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def checked(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch itself, or the sample's, unless it holds an error.

    Raises:
        InputError: a file could not be read, or the images of the batch differ in size.
    """
    if "error" in batch:
        raise batch["error"]
    return batch


def _ignore_signals(_worker: int) -> None:
    # A signal to the process group must reach the main process alone: it saves, then ends the workers itself.
    for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(0)


def make_loader(data: Dataset[dict[str, Any]], order: EpochOrder, *, workers: int, pin_memory: bool) -> DataLoader[Any]:
    """A loader whose batches do not depend on the number of workers."""
    return DataLoader(
        data,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_ignore_signals,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        # iter() would otherwise draw from the global generator, and so change the weights with the worker count.
        generator=torch.Generator().manual_seed(0),
    )


def close(loader: DataLoader[Any]) -> None:
    """End a loader's workers. They ignore signals, so a process that left them behind would wait for them for ever."""
    iterator = getattr(loader, "_iterator", None)
    if iterator is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
        loader._iterator = None


def workers_for(wanted: int | str, images: int, share: float = 1.0) -> int:
    """Loader processes: those wanted; for ``auto`` one less than the processors, 8 at most, where they pay.

    Args:
        images: of the split; starting processes for few takes longer than decoding them.
        share: of a step's time that loading takes without them, 0..1: where a network computes on the same processors
            there is little to gain.
    """
    if isinstance(wanted, int):
        return wanted
    import os

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if images < 256 or share < _WORTH_WORKERS else max(0, min(8, available - 1))
