"""Gradient checkpointing: the activations of blocks are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError


def checkpoint_blocks(network: nn.Module) -> None:
    """Checkpoint every block of a network (Chen et al., 2016): the parts of a Sequential or ModuleList with parts.

    Gradients, dropout and the statistics of batch norms are as without it.

    Args:
        network: changed in place.

    Raises:
        InputError: it has no such block.
    """
    blocks = blocks_of(network)
    if not blocks:
        message = f"{type(network).__name__} has no blocks in an nn.Sequential or nn.ModuleList to checkpoint"
        raise InputError.of("runtime.gradient_checkpointing", message, "leave it out")
    for block in blocks:
        # A partial of a method, not a closure: copies of the network then call their own blocks.
        block.forward = partial(_checkpointed, block.forward)


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The innermost blocks: parts of a Sequential or ModuleList that have parts and parameters."""
    found = []
    for part in network.children():
        if inner := blocks_of(part):
            found += inner
        elif isinstance(network, (nn.Sequential, nn.ModuleList)):
            parts, parameters = list(part.children()), list(part.parameters())
            found += [part] if parts and parameters else []
    return found


def _checkpointed(forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _with_copied_buffers(forward.__self__)  # type: ignore[attr-defined]

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _with_copied_buffers(block: nn.Module) -> Iterator[None]:
    """Inside, what the second forward pass does to buffers, such as running statistics, is done to copies."""
    originals = [(part, dict(part._buffers)) for part in block.modules()]
    for part, buffers in originals:
        part._buffers.update({name: None if each is None else each.clone() for name, each in buffers.items()})
    try:
        yield
    finally:
        for part, buffers in originals:
            part._buffers.update(buffers)
