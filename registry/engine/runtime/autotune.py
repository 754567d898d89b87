"""Precision and memory format where the recipe leaves them to ``auto``: known from the device, or measured once."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import nn

from ... import files
from .device import LAYOUTS

#: Seconds that all candidates may take together.
_BUDGET: Final = 3.0
#: Short steps are repeated, since a busy machine blurs them most.
_MOST_STEPS: Final = 12
#: A candidate that comes second is preferred while it is not slower than this: the first ones are the plainest.
_NEAR: Final = 0.97
#: A step of fewer floating-point operations is all overhead: its timing is noise, and nothing is measured.
_SMALL: Final = 5e8


class Setting(NamedTuple):
    """How a network is computed.

    Attributes:
        precision: ``fp32``, ``bf16`` or ``fp16``.
        memory_format: ``contiguous`` or ``channels_last``.
    """

    precision: str
    memory_format: str

    def __str__(self) -> str:
        return f"{self.precision} {self.memory_format}"


PLAIN: Final = Setting("fp32", "contiguous")
LAST: Final = Setting("fp32", "channels_last")
REDUCED: Final = Setting("bf16", "channels_last")


def has_bf16_units(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulated, it is up to 25 times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if platform.machine() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    known = (getattr(torch.cpu, f"_is_{unit}_supported", None) for unit in ("avx512_bf16", "amx_tile"))
    return any(supported() for supported in known if supported is not None)


def candidates(device: torch.device, precision: str, memory_format: str) -> list[Setting]:
    """The settings that can be the fastest on a device and agree with what the recipe fixes, the plainest first.

    Args:
        device: a GPU has one candidate, known by rule.
        precision, memory_format: as in the recipe; ``auto`` leaves it open.
    """
    if device.type == "cuda":
        known = [REDUCED if has_bf16_units(device) else LAST]
    elif device.type == "cpu":
        known = [PLAIN, LAST, REDUCED] if has_bf16_units(device) else [PLAIN, LAST]
    else:
        known = [PLAIN]
    fixed = [
        Setting(
            *(own if wanted == "auto" else wanted for own, wanted in zip(each, (precision, memory_format), strict=True))
        )
        for each in known
    ]
    return list(dict.fromkeys(fixed))


def choose(
    network: nn.Module,
    settings: Sequence[Setting],
    step: Callable[[nn.Module, Setting], object],
    *,
    identity: Sequence[Any],
    device: torch.device,
    operations: float = math.inf,
) -> tuple[Setting, str]:
    """The fastest setting for a network, and how it was found.

    A measured choice is stored for the machine, so that a second run with the same seed computes the same thing.

    Args:
        network: on its device; copies of it are measured.
        settings: from ``candidates``.
        step: ``step(copy, setting)`` computes once.
        identity: what the choice depends on besides the machine: the network, the size of its input.
        device: where the network is.
        operations: floating-point operations of a step, so that tiny ones are not measured; infinite where unknown.
    """
    if len(settings) == 1:
        return settings[0], f"known for {device.type}" if device.type != "cpu" else "the only candidate"
    if operations < _SMALL:
        return settings[0], f"not measured: a step of {operations / 1e9:.1f} GFLOP is all overhead"
    machine = (platform.node(), platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    key = json.dumps([*identity, settings, torch.__version__, machine], default=str)
    name = f"runtime-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"
    stored = files.recall(name)
    seconds = {Setting(*each): value for *each, value in stored} if stored else measure(network, settings, step)
    if not stored and not files.remember(name, [[*setting, value] for setting, value in seconds.items()]):
        message = "the measured memory format could not be stored, so another run may choose otherwise"
        warnings.warn(f"{message}; set runtime.precision and runtime.memory_format to compare runs", stacklevel=2)
    if not seconds:
        return settings[0], "not measured: every candidate failed"
    best = min(seconds.values())
    chosen = next(setting for setting in settings if seconds.get(setting, math.inf) * _NEAR <= best)
    others = [f"{setting} takes {seconds[setting] / seconds[chosen]:.2f}x" for setting in seconds if setting != chosen]
    return chosen, f"{'measured before' if stored else 'measured'}: {', '.join(others)} its time"


def measure(
    network: nn.Module, settings: Sequence[Setting], step: Callable[[nn.Module, Setting], object]
) -> dict[Setting, float]:
    """Seconds of a step in each setting, the best of several in alternation, within about 3 s in all.

    A setting is dropped at its first step when it takes twice as long as another one; one that fails is left out.
    """
    best: dict[Setting, float] = {}
    copies: dict[Setting, nn.Module] = {}
    begin = time.perf_counter()
    for repetition in range(_MOST_STEPS):
        for setting in settings if repetition == 0 else list(copies):
            if repetition == 0:
                copies[setting] = copy.deepcopy(network).to(memory_format=LAYOUTS[setting.memory_format])  # type: ignore[call-overload]
            start = time.perf_counter()
            try:
                step(copies[setting], setting)
            except Exception:  # an operator without a kernel for this precision
                del copies[setting]
                continue
            seconds = time.perf_counter() - start
            # The first step also prepares kernels, for every setting alike.
            best[setting] = seconds if repetition < 2 else min(seconds, best[setting])
            if repetition == 0 and seconds > 2 * min(best.values()):
                del copies[setting]
        if time.perf_counter() - begin > _BUDGET or len(copies) < 2:
            break
    return best
