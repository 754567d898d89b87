"""Samples to batches: order and augmentation are functions of (seed, epoch, index), whoever computes them."""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import signal
import sys
import threading
from array import array
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from ...errors import Hw1Error, InputError
from ...signals import STOPPING
from .preprocess import checked, collate
from .skipping import without

#: Linux' prctl: the signal that a process gets when its parent dies (linux/prctl.h).
_PR_SET_PDEATHSIG: Final = 1
#: Seconds after which a wait for a batch looks whether the loader's processes live.
_LOOK: Final = 1.0
#: How torch's errors of a loader begin.
_FAILED: Final = ("DataLoader ", "Too many open", "received 0 items")
#: Share of a step's time that loading has to take before other processes do it.
_WORTH_WORKERS: Final = 0.2


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

    def order(self, epoch: int) -> Sequence[int]:
        """The indices of an epoch in their order."""
        if self.seed is None:
            return range(self.length)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
        if self.weights is not None:
            drawn = torch.multinomial(self.weights, self.length, replacement=True, generator=generator)
        else:
            drawn = torch.randperm(self.length, generator=generator)
        return array("q", drawn.numpy().tobytes())  # 8 bytes each: a list of ten million numbers takes 400 MB

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


def _shared(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """A collated batch, in a worker already in shared memory: where that is full, only here can it be reported.

    The thread that otherwise moves it there loses the batch, and the run would wait for it.
    """
    batch = collate(samples)
    if get_worker_info() is None:
        return batch
    try:
        for value in batch.values():
            for tensor in value if isinstance(value, list) else [value]:
                if isinstance(tensor, Tensor):
                    tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "shared memory" not in str(error):
            raise
        return {"error": _no_shared_memory()}
    return batch


def _no_shared_memory() -> Hw1Error:
    hint = "lower runtime.workers (0 needs none of it; each keeps two batches ready), or enlarge it"
    return Hw1Error("shared memory (/dev/shm) is full", f"{hint}, as with docker run --shm-size=8g")


def make_loader(
    data: Dataset[dict[str, Any]], order: EpochOrder, *, workers: int, pin_memory: bool, timeout: float = 0
) -> DataLoader[Any]:
    """A loader whose batches do not depend on the number of workers.

    Args:
        timeout: seconds to wait for a batch of the workers; 0 waits for ever.

    Raises:
        InputError: so many workers need more files open at a time than the system allows.
    """
    _require_handles(workers)
    look = min(timeout or _LOOK, _LOOK)
    if workers:  # the sample that each is at, -1 between two
        data.reading = RawArray("q", [-1] * workers)  # type: ignore[attr-defined]
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_shared,
        worker_init_fn=_begin_worker,
        timeout=look if workers else 0,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        # iter() would otherwise draw from the global generator, and so change the weights with the worker count.
        generator=torch.Generator().manual_seed(0),
    )
    # Looks, not seconds of a clock: those in which this process was stopped (SIGSTOP) count as one.
    loader.looks = math.ceil(timeout / look) if timeout else sys.maxsize  # type: ignore[attr-defined]
    return loader


def batches(loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
    """The batches of an epoch.

    Raises:
        InputError: a file could not be read, or the images of a batch differ in size.
        Hw1Error: a worker was killed or did not deliver in time, or too many files could not be read.
    """
    iterator = iter(loader)
    for position in range(len(loader.batch_sampler)):  # type: ignore[arg-type]
        try:
            batch = _next(iterator, loader.looks)  # type: ignore[attr-defined]
        except StopIteration:
            return
        except (RuntimeError, OSError, EOFError) as error:  # the last two of a worker that cannot hand over its batch
            if loader.num_workers == 0 or (isinstance(error, RuntimeError) and not str(error).startswith(_FAILED)):
                raise
            ended, at = _ended(iterator)
            close(loader)
            reading = _reading(loader, ended) or [
                index
                for batch in at or [position]
                for _, index in next(islice(loader.batch_sampler, batch, None), ())  # type: ignore[arg-type, call-overload]
            ]
            names = getattr(getattr(loader.dataset, "samples", None), "names", ())
            some = ", ".join(str(names[index]) for index in reading[:8]) if names else ""
            some += ", ..." * (len(reading) > 8)
            waited = loader.timeout * loader.looks  # type: ignore[attr-defined]
            raise _loading_failed(error, list(ended.values()), waited, some) from error
        batch = checked(batch)
        if "skipped" in batch:
            batch = _record_skipped(loader.dataset, batch)
        if batch["name"]:
            yield batch


def _require_handles(workers: int) -> None:
    """A worker that cannot open a file for its batch loses it, and the run would wait for it."""
    if workers == 0 or not Path("/proc/self/fd").is_dir():
        return
    import resource

    limit, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[0], 32 + 4 * workers
    free = limit - sum(1 for _ in Path("/proc/self/fd").iterdir())
    if limit > 0 and free < needed:
        message = f"{workers} need {needed} more open files, and {max(free, 0)} of {limit} are left"
        raise InputError.of("runtime.workers", message, "ulimit -n 1024, or runtime.workers=0")


def _next(iterator: Iterator[Any], looks: int) -> Any:
    """The next batch, waited for in so many looks."""
    while True:
        try:
            return next(iterator)
        except RuntimeError as error:
            looks -= 1
            if "timed out" not in str(error) or looks <= 0:
                raise


def _ended(iterator: Any) -> tuple[dict[int, int], list[int]]:
    """The exit codes of the workers that have ended, by their numbers, and which batches of the epoch they owe."""
    wait([each.sentinel for each in iterator._workers], timeout=1)  # one that is about to end
    codes = {number: each.exitcode for number, each in enumerate(iterator._workers) if each.exitcode is not None}
    owed = [at for at, task in iterator._task_info.items() if len(task) == 1 and task[0] in codes]
    return codes, sorted(owed)


def _reading(loader: DataLoader[Any], ended: Container[int]) -> list[int]:
    """The samples that workers are at, or those that have ended were at; none where they are between two."""
    places = enumerate(loader.dataset.reading)  # type: ignore[attr-defined]
    return [at for number, at in places if at >= 0 and (not ended or number in ended)]


def _record_skipped(data: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """The batch without its record of skipped samples, and for an evaluation without what took their places."""
    data.skipped.add(data.split, batch.pop("skipped"))
    replaced = batch.pop("replaced")
    return batch if data.split == "train" else without(batch, replaced)


def _loading_failed(error: Exception, codes: Sequence[int], waited: float, reading: str) -> Hw1Error:
    """What is shown where no batch came; ``codes`` are the exit codes of the workers that have ended."""
    if "timed out" in str(error):
        hint = "look at these files and at the disk; runtime.worker_timeout sets how long to wait"
        return Hw1Error(f"no batch came from the loader's workers for {waited:g} s, while they read {reading}", hint)
    if "shared memory" in str(error) or "Bus error" in str(error) or -signal.SIGBUS in codes:
        return _no_shared_memory()
    if codes:
        how = f"ended with exit code {codes[0]}" if codes[0] >= 0 else f"was killed by {signal.Signals(-codes[0]).name}"
        hint = "look at what reads them" if codes[0] >= 0 else "often memory ran out: lower runtime.workers"
        return Hw1Error(f"a loader's worker {how}, while they read {reading}", hint)
    hint = "lower runtime.workers, or raise the limit: ulimit -n 4096"
    return Hw1Error(f"the loader's workers cannot be reached: {str(error).partition('. ')[0]}", hint)


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
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    available = int(os.environ.get("HW1CLI_PROCESSORS", available))  # its share, where several runs go on
    return 0 if images < 256 or share < _WORTH_WORKERS else max(0, min(8, available - 1))
