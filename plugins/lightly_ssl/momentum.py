"""A network that follows another one: the target of BYOL, the key encoder of MoCo, the teacher of DINO."""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import torch
from torch import nn

Buffers = Literal["average", "copy", "own"]


class Follower(nn.Module):
    """A copy of a network whose parameters are an exponential moving average of the network's; it never learns itself.

    Args:
        network: what is followed.
        buffers: what becomes of the statistics of batch normalisation: ``average`` averages them as the parameters,
            ``copy`` takes the network's, ``own`` leaves to the follower those that it gathers itself.
    """

    def __init__(self, network: nn.Module, buffers: Buffers) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.buffers_rule = buffers

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        """What the copy makes of the inputs, without a gradient."""
        return self.network(*inputs)

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """parameter <- momentum * parameter + (1 - momentum) * network's parameter."""
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - momentum)
        if self.buffers_rule == "own":
            return
        for own, given in zip(self.network.buffers(), network.buffers(), strict=True):
            if self.buffers_rule == "average" and own.is_floating_point():
                own.lerp_(given, 1 - momentum)
            else:
                own.copy_(given)


def cosine_momentum(base: float, step: int, total_steps: int) -> float:
    """The momentum after a step, rising from ``base`` to 1 along half a cosine (Grill et al., 2020, section 3.3)."""
    return 1 - (1 - base) * (math.cos(math.pi * min(step / max(total_steps, 1), 1.0)) + 1) / 2
