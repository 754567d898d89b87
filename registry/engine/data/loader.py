"""Samples to batches: order and augmentation are functions of (seed, epoch, index), whoever computes them."""

from __future__ import annotations

import ctypes
import hashlib
import random
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ...errors import Hw1Error, InputError
from ...signals import STOPPING
from .preprocess import checked, collate

Sample = Mapping[str, Any]
#: Linux' prctl: the signal that a process gets when its parent dies (linux/prctl.h).
_PR_SET_PDEATHSIG: Final = 1
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
        share: (rank, processes): this process gets every so-manieth sample of each batch; all of it by default.
        pads: a process without a sample in a small batch gets its first one, so that all make as many steps; such a
            sample counts for nothing (``own``).
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int | None,
        drop_single: bool = False,
        weights: Tensor | None = None,
        share: tuple[int, int] = (0, 1),
        pads: bool = False,
    ) -> None:
        self.length, self.batch_size, self.seed, self.weights = length, batch_size, seed, weights
        self.share, self.pads = share, pads
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

    def size(self, batch: int) -> int:
        """Samples of a batch (0-based), of all processes together."""
        return min(self.batch_size, self.length - batch * self.batch_size)

    def own(self, batch: int) -> int:
        """Samples of a batch that are this process's."""
        return len(range(self.share[0], self.size(batch), self.share[1]))

    def keys(self, batch: int, order: Sequence[int]) -> list[tuple[int, int]]:
        """The samples of a batch, of all processes together."""
        indices = order[batch * self.batch_size : (batch + 1) * self.batch_size]
        return [(self.epoch, index) for index in indices]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, (rank, processes) = self.order(self.epoch), self.share
        for batch in range(self.first_batch, len(self)):
            whole = self.keys(batch, order)
            if own := whole[rank::processes] or (whole[:1] if self.pads else []):
                yield own


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
    # albumentations draws from generators of its own; without this every worker would draw the same stream. Not by
    # set_random_seed, which gives every transform the same seed: two flips would both be drawn, or neither.
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
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


def _begin_worker(number: int) -> None:
    # A signal to the process group must reach the main process alone: it saves, then ends the workers itself.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform.startswith("linux"):  # a killed parent takes its workers along, hung ones too
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    torch.set_num_threads(1)
    with suppress(ImportError):
        import cv2

        cv2.setNumThreads(0)


def make_loader(
    data: Dataset[dict[str, Any]], order: EpochOrder, *, workers: int, pin_memory: bool, timeout: float = 0
) -> DataLoader[Any]:
    """A loader whose batches do not depend on the number of workers.

    Args:
        timeout: seconds to wait for a batch of the workers; 0 waits for ever.
    """
    return DataLoader(
        data,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_begin_worker,
        timeout=timeout if workers else 0,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        # iter() would otherwise draw from the global generator, and so change the weights with the worker count.
        generator=torch.Generator().manual_seed(0),
    )


def batches(loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
    """The batches of an epoch.

    Raises:
        InputError: a file could not be read, or the images of a batch differ in size.
        Hw1Error: a worker was killed, or did not deliver in time.
    """
    iterator = iter(loader)
    for position in range(len(loader.batch_sampler)):  # type: ignore[arg-type]
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except RuntimeError as error:
            if not str(error).startswith("DataLoader "):
                raise
            close(loader)
            names = getattr(getattr(loader.dataset, "samples", None), "names", ())
            batch_keys = next(islice(loader.batch_sampler, position, None), ())  # type: ignore[arg-type, call-overload]
            reading = [str(names[index]) for _, index in batch_keys] if names else []
            raise _loading_failed(error, loader.timeout, reading) from error
        yield checked(batch)


def _loading_failed(error: RuntimeError, timeout: float, reading: Sequence[str]) -> Hw1Error:
    if "timed out" in str(error):
        some = ", ".join(reading[:8]) + (", ..." if len(reading) > 8 else "")
        hint = "look at these files and at the disk; runtime.worker_timeout sets how long to wait"
        return Hw1Error(f"no batch came from the loader's workers for {timeout:g} s, while they read {some}", hint)
    if "shared memory" in str(error) or "Bus error" in str(error):
        return Hw1Error("shared memory (/dev/shm) is full", "set runtime.workers to 0, or enlarge it")
    return Hw1Error(f"a loader's worker was killed: {error}", "often memory ran out: lower runtime.workers")


def close(loader: DataLoader[Any]) -> None:
    """End a loader's workers, which ignore signals: those that are not done within a second are killed."""
    iterator = getattr(loader, "_iterator", None)
    if iterator is None or not hasattr(iterator, "_shutdown_workers"):
        return

    def kill() -> None:
        if iterator._worker_pids_set:  # else torch would report their end as an error of the run
            torch._C._remove_worker_pids(id(iterator))
            iterator._worker_pids_set = False
        for worker in iterator._workers:
            worker.kill()

    ending = threading.Timer(1.0, kill)
    ending.start()
    iterator._shutdown_workers()
    ending.cancel()
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
