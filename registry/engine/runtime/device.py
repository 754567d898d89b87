"""Where a run is computed: device, precision, memory layout, through Lightning Fabric."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...errors import InputError
from ...recipe.grammar import RuntimeSettings
from . import processes
from .allocator import keep_large_blocks
from .sharding import shard, wanted

_FABRIC: Final = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
#: Number formats of reduced precisions.
DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
#: Memory formats by their names in a recipe.
LAYOUTS: Final = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


@dataclass(frozen=True)
class Runtime:
    """The machine as the loop sees it.

    Args:
        fabric: a launched Fabric.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        memory_format: ``channels_last`` or ``contiguous``.
        reason: how precision and layout were chosen.
    """

    fabric: Any
    precision: str
    memory_format: str
    reason: str

    @property
    def device(self) -> torch.device:
        return self.fabric.device  # type: ignore[no-any-return]

    @property
    def layout(self) -> Any:
        return LAYOUTS[self.memory_format]

    def autocast(self) -> AbstractContextManager[Any]:
        """The run's precision, for code outside of the wrapped module."""
        return self.fabric.autocast()  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        """Wait for the device, so that a clock read afterwards includes its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device.type)
        return f"{name}, {self.precision}, {self.memory_format} ({self.reason})"


def device_for(wanted: str) -> torch.device:
    """The device meant by the recipe; on a CPU, the allocator keeps large blocks from now on.

    Raises:
        InputError: it is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    here = [name for name, is_present in present.items() if is_present]
    if present["cuda"]:
        here += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if wanted != "auto" and wanted not in here:
        raise InputError.of(
            "runtime.device", f"{wanted} is not available on this machine", f"devices here: {', '.join(here)}"
        )
    device = torch.device(here[0] if wanted == "auto" else wanted)
    if device.type == "cpu":
        keep_large_blocks()
    return device


def open_runtime(
    settings: RuntimeSettings, precision: str, memory_format: str, reason: str, *, all_used: bool = True
) -> Runtime:
    """A launched runtime with everything decided.

    Args:
        all_used: whether every parameter that learns takes part in each step; several processes have to know.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightning_fabric import Fabric

        logging.getLogger("lightning_fabric").setLevel(logging.ERROR)  # the import sets it to INFO
        device = device_for(settings.device)
        if device.type == "cpu":  # else every optimizer step looks for the driver's library, 0.4 ms
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        fabric = Fabric(precision=_FABRIC[precision], **_devices(device, wanted(settings), all_used))  # type: ignore[arg-type]
        fabric.launch()
    if settings.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return Runtime(fabric, precision, memory_format, reason)


def _devices(device: torch.device, sharded: bool, all_used: bool) -> dict[str, Any]:
    """Fabric's arguments for one device, or for one of each process."""
    if processes.process_count() == 1:
        return {"accelerator": device.type, "devices": 1 if device.index is None else [device.index]}
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    whole = processes.process_count()
    local = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or whole)
    strategy: Any = DDPStrategy(find_unused_parameters=not all_used, forward_sync_buffers=False)
    if sharded:
        strategy = ModelParallelStrategy(shard, data_parallel_size=whole, tensor_parallel_size=1)
    return {"accelerator": device.type, "devices": local, "num_nodes": whole // local, "strategy": strategy}


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's generators that training draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Restore what ``random_state`` returned; a GPU's state only on a GPU."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
