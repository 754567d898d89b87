"""Several processes that train one model: which one this is, what all of them agree on, what they gather.

torchrun or srun starts them; with a single process every function returns at once what it was given.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from ...errors import InputError

T = TypeVar("T")


def start(timeout: float) -> None:
    """Join the group of processes that the environment describes, where there is more than one.

    Args:
        timeout: seconds after which a process that waits for another one fails, so that a hung one ends the job.
    """
    if "WORLD_SIZE" not in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in os.environ:
        _take_from_slurm()
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or distributed.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
    atexit.register(distributed.destroy_process_group)


def _take_from_slurm() -> None:
    """Set what torchrun would set, from the variables of srun."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    job = SLURMEnvironment(auto_requeue=False)
    names = {"WORLD_SIZE": "SLURM_NTASKS", "RANK": "SLURM_PROCID", "LOCAL_RANK": "SLURM_LOCALID"}
    os.environ.update({name: os.environ[source] for name, source in names.items()})
    os.environ.update(MASTER_ADDR=job.main_address, MASTER_PORT=str(job.main_port))


def restartable(out: Path | None) -> bool:
    """Whether torchrun may start the processes again, also on a new machine, so that a run in the folder goes on.

    Raises:
        InputError: it may do so, and no run folder is named.
    """
    if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) == 0:
        return False
    if out is None:
        raise InputError.of("--out", "is missing: a restarted run has to find its folder", "for example --out runs/a")
    return True


def process_count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Which one this is, from 0; the first one writes the files and the terminal."""
    return distributed.get_rank() if process_count() > 1 else 0


def any_of(*flags: bool) -> tuple[bool, ...]:
    """Whether each flag is set in any process."""
    if process_count() == 1:
        return flags
    raised = torch.tensor(flags, dtype=torch.uint8)
    distributed.all_reduce(raised, distributed.ReduceOp.MAX)
    return tuple(map(bool, raised.tolist()))


def summed(values: Sequence[float]) -> list[float]:
    """The sums of numbers over all processes."""
    if process_count() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums)
    return sums.tolist()  # type: ignore[no-any-return]


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of a tensor, of one shape in each process, on its device; without gradients."""
    total = values.detach().clone()
    if process_count() > 1:
        distributed.all_reduce(total)
    return total


def gathered(value: T) -> list[T]:
    """The values of all processes, by rank; tensors among them on the CPU."""
    if process_count() == 1:
        return [value]
    found: list[Any] = [None] * process_count()
    distributed.all_gather_object(found, value)
    return found


def concatenated(parts: Sequence[Tensor]) -> Tensor:
    """Tensors (n, ...) of all processes as one along the first dimension, by rank, on the device of this one's.

    Args:
        parts: one or more in each process, of any lengths.
    """
    own = torch.cat(list(parts))
    return own if process_count() == 1 else torch.cat([each.to(own.device) for each in gathered(own.cpu())])


def from_first(compute: Callable[[], T]) -> T:
    """What the first process computes, in every process; an error of it is raised in all."""
    if process_count() == 1:
        return compute()
    answer: list[Any] = [None, None]
    if rank() == 0:
        try:
            answer[0] = compute()
        except Exception as error:
            answer[1] = error
    distributed.broadcast_object_list(answer)
    if answer[1] is not None:
        raise answer[1]
    return answer[0]  # type: ignore[no-any-return]


def share_of(batch_size: int) -> str:
    """How a global batch is divided, for the reader; empty with one process."""
    each = -(-batch_size // process_count())
    return f" ({each} on each of {process_count()} processes)" if process_count() > 1 else ""


def require_images(batch_size: int, *, in_parts: bool) -> None:
    """Raise where the processes cannot share a batch.

    Args:
        in_parts: whether a process may compute its share in smaller parts: it would take other steps than the others.

    Raises:
        InputError: there are fewer images than processes, or ``in_parts``.
    """
    if in_parts and process_count() > 1:
        raise InputError.of("trainer.auto_batch", "needs a single process", "lower trainer.batch_size instead")
    if batch_size < process_count():
        message = f"{process_count()} processes cannot share a batch of {batch_size}"
        raise InputError.of("trainer.batch_size", message, "it is the number of images of all processes together")
