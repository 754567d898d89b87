"""A network whose parameters are sharded over the processes of a run: FSDP2, ``torch.distributed.fsdp.fully_shard``.

Between steps each process holds an equal part of every parameter, of its gradient and of the optimizer's state; a block
is whole while it is computed. On a network that is not sharded every function here does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...recipe.grammar import RuntimeSettings
from . import processes
from .checkpointing import blocks_of

T = TypeVar("T")


def wanted(settings: RuntimeSettings) -> bool:
    """Whether a run shards its network; a single process has it whole."""
    return settings.strategy == "fsdp2" and processes.process_count() > 1


def shard(task: nn.Module, mesh: Any) -> nn.Module:
    """Shard a task in place, each of its blocks by itself; the parameters are others afterwards.

    Args:
        mesh: Fabric's, whose dimension ``data_parallel`` holds all processes.

    Raises:
        InputError: it has no blocks.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    blocks = blocks_of(task)
    if not blocks:
        message = f"fsdp2 shards blocks, and {type(task).__name__} has none in an nn.Sequential or nn.ModuleList"
        raise InputError.of("runtime.strategy", message, "use ddp")
    for part in (*blocks, task):
        fully_shard(part, mesh=mesh["data_parallel"])  # type: ignore[arg-type]
    # The module that is first called is FSDP's root: the task, also where its model is evaluated before the first step.
    register_fsdp_forward_method(task, "begin_evaluation")
    task.begin_evaluation()  # type: ignore[operator]
    task.reshard()  # type: ignore[operator]
    return task


def _sharded(task: nn.Module) -> list[Any]:
    """The parts that were sharded by themselves."""
    if processes.process_count() == 1:
        return []
    from torch.distributed.fsdp import FSDPModule

    return [part for part in task.modules() if isinstance(part, FSDPModule)]


def is_sharded(task: nn.Module) -> bool:
    """Whether the processes hold parts of its parameters."""
    return bool(_sharded(task))


@contextmanager
def whole(task: nn.Module) -> Iterator[None]:
    """Inside, every process holds all parameters, so that each may compute what the others do not."""
    parts = _sharded(task)
    for part in parts:
        part.unshard()
        part.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(part is not task, recurse=False)


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor, in the same memory."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def full(value: T) -> T:
    """A state with every sharded tensor whole, on the CPU of the first process; all processes call it at once."""
    if hasattr(value, "full_tensor"):
        tensor = value.full_tensor()
        return tensor.cpu() if processes.rank() == 0 else tensor.new_empty(0)  # type: ignore[no-any-return]
    if isinstance(value, Mapping):
        return {key: full(each) for key, each in value.items()}  # type: ignore[return-value]
    return type(value)(map(full, value)) if isinstance(value, (list, tuple)) else value  # type: ignore[call-arg]


def full_state(task: nn.Module) -> dict[str, Any]:
    """The task's state dict as ``full``; inside of ``whole``, too, though a state dict shards the parameters again."""
    parts = _sharded(task)
    inside = bool(parts) and not hasattr(next(task.parameters()), "full_tensor")
    state = full(task.state_dict())
    for part in parts if inside else ():
        part.unshard()
    return state


def like(state: Tensor, other: Any) -> Tensor:
    """A whole tensor, which every process has, sharded as another one of its shape."""
    if hasattr(state, "full_tensor") or not hasattr(other, "full_tensor") or state.shape != other.shape:
        return state
    from torch.distributed.tensor import distribute_tensor

    placed = state.to(other.device, other.dtype)
    return distribute_tensor(placed, other.device_mesh, other.placements, src_data_rank=None)


def load(task: nn.Module, state: Mapping[str, Tensor]) -> None:
    """``task.load_state_dict`` of a whole state."""
    own = task.state_dict()
    task.load_state_dict({name: like(each, own.get(name)) for name, each in state.items()})


def choose_kernels(optimizer: Any) -> None:
    """Let an optimizer compute sharded parameters: of the fused kernels, DTensor knows Adam's alone."""
    if not isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        for group in optimizer.param_groups:
            group.update({"fused": None, "foreach": True} if group.get("fused") else {})


def load_optimizer(optimizer: Any, state: Mapping[str, Any]) -> None:
    """``optimizer.load_state_dict`` of a whole state; its kernels stay those of this run."""
    kernels = [{key: group[key] for key in ("fused", "foreach") if key in group} for group in optimizer.param_groups]
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    found = {
        place: {name: like(each, parameters[place]) if torch.is_tensor(each) else each for name, each in kept.items()}
        for place, kept in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": found})
    for group, own in zip(optimizer.param_groups, kernels, strict=True):
        group.update(own)
