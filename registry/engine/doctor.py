"""What torch sees of this machine: devices, units for bfloat16, the allocator, and whether a step can be computed."""

from __future__ import annotations

import os

import torch
from torch import nn

from .runtime.allocator import OPT_OUT, keep_large_blocks
from .runtime.autotune import has_bf16_units


def devices() -> list[tuple[str, str, bool]]:
    """``(device, what it is, whether a small network learned there)``, the CPU first."""
    found = [("cpu", f"processors: {os.cpu_count()}, threads: {torch.get_num_threads()}")]
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 1e9
        found.append((f"cuda:{index}", f"{torch.cuda.get_device_name(index)}, {memory:.0f} GB"))
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU"))
    rows = []
    for name, text in found:
        device = torch.device(name)
        units = "with" if has_bf16_units(device) else "without"
        fault = _fault(device)
        rows.append((name, f"{text}, {units} units for bfloat16" + (f": {fault}" if fault else ""), fault is None))
    return rows


def _fault(device: torch.device) -> str | None:
    """Why a step of a small convolution fails on the device; None where it works."""
    try:
        network = nn.Conv2d(3, 4, 3).to(device)
        loss = network(torch.ones(2, 3, 8, 8, device=device)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        finite = bool(torch.isfinite(loss).item())
    except (RuntimeError, NotImplementedError) as error:
        return str(error).partition("\n")[0]
    return None if finite else "a convolution gives NaN or infinity"


def allocator() -> str:
    """How the C library keeps memory; see ``keep_large_blocks``."""
    if keep_large_blocks():
        return "glibc, keeps large blocks"
    return f"left as it is: not glibc, or set by MALLOC_* or {OPT_OUT} in the environment"
