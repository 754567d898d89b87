"""Settings that a run cannot have while its network is sharded, ``runtime: {strategy: fsdp2}``."""

from __future__ import annotations

from ..errors import Problem
from .grammar import LoopSettings, RuntimeSettings
from .yaml import Node


def problems(root: Node, runtime: RuntimeSettings, loop: LoopSettings) -> list[Problem]:
    """What contradicts ``fsdp2``, each where the recipe has it."""
    if runtime.strategy != "fsdp2":
        return []
    unfit = {
        ("trainer", "unfreeze"): (bool(loop.unfreeze), "freeze what never learns, or use strategy: ddp"),
        ("trainer", "auto_batch"): (loop.auto_batch, "lower trainer.batch_size"),
        ("runtime", "precision"): (runtime.precision == "fp16", "use bf16 or fp32"),
        ("runtime", "compile"): (runtime.compile, "leave it out, or use strategy: ddp"),
    }
    found = []
    for (section, key), (is_set, hint) in unfit.items():
        node = root.get(section) or root
        if is_set:
            message = "does not work with runtime.strategy: fsdp2"
            found.append((node.get(key) or node).problem(f"{section}.{key}", message, hint))
    return found
