"""Batch normalisation over the whole batch of several processes, on GPUs and CPUs.

torch's ``SyncBatchNorm`` computes on GPUs alone.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

_TORCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def synchronize(module: nn.Module, device: torch.device) -> list[str]:
    """Let every batch normalisation of a module be over all processes, in place; caveats on those that cannot."""
    left_out = set()
    synchronized: dict[type, tuple[type, type]] = dict.fromkeys(_TORCH, (nn.SyncBatchNorm, _OnCpu))
    if "timm.layers.norm_act" in sys.modules:  # else no module can have timm's, whose import takes seconds
        synchronized |= _timm()
    for part in module.modules():
        own: type = type(part)
        if own in synchronized:
            on_gpu, on_cpu = synchronized[own]
            part.__class__ = on_gpu if device.type == "cuda" else on_cpu
            part.__dict__["process_group"] = None  # all processes; torch's class asks for it
        elif isinstance(part, _BatchNorm):
            left_out.add(own.__name__)
    return [f"{name} normalises each process's part of a batch by itself" for name in sorted(left_out)]


class _OnCpu(_BatchNorm):
    """``SyncBatchNorm`` in plain operations, whose all-reduce autograd knows."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) of this process -> the same shape, normalised with the statistics of all processes."""
        return self.normalized(x) if self.training else super().forward(x)

    def normalized(self, x: Tensor) -> Tensor:
        """As ``forward`` in training."""
        axes = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        values = x.float()
        total = _sum(torch.cat([values.sum(axes), values.new_tensor([x.numel() / x.shape[1]])]))
        number = total[-1].detach()
        mean = total[:-1] / number
        centred = values - mean.view(shape)
        variance = _sum(centred.square().sum(axes)) / number  # of the centred values: no cancellation
        with torch.no_grad():
            self._follow(mean, variance * number / (number - 1).clamp_min(1))
        scaled = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


@cache
def _timm() -> dict[type, tuple[type, type]]:
    """timm's batch normalisation with an activation after it, on GPUs and on CPUs."""
    from timm.layers.norm_act import BatchNormAct2d, SyncBatchNormAct

    class ActOnCpu(_OnCpu, BatchNormAct2d):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.drop(self.normalized(x))) if self.training else BatchNormAct2d.forward(self, x)  # type: ignore

    return {BatchNormAct2d: (SyncBatchNormAct, ActOnCpu)}


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _sum(values: Tensor) -> Tensor:
    return _Sum.apply(values)  # type: ignore[no-any-return, no-untyped-call]
