"""A trace of a few training steps: which operators run when, for Perfetto and TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

#: Steps that are left out, the profiler's own warm-up among them, and steps that are traced.
_WARM_UP: Final = 3
_STEPS: Final = 5


@contextmanager
def traced(optimizer: Any, folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """While entered, an optimizer's first steps after a warm-up are traced into a folder.

    Args:
        optimizer: as Fabric wrapped it; None where nothing is trained.
        folder: of the trace; made when it is written.
        say: is given one line about the outcome.
    """
    if optimizer is None:
        say("no trace: this run takes no training steps")
        yield
        return
    write = tensorboard_trace_handler(str(folder), use_gzip=True)

    def ready(profiler: profile) -> None:
        number = profiler.step_num - _WARM_UP
        if number:
            write(profiler)
            plural = "s" * (number > 1)
            say(f"trace of {number} step{plural}: {folder} (https://ui.perfetto.dev, or TensorBoard)")

    steps = schedule(wait=1, warmup=_WARM_UP - 1, active=_STEPS, repeat=1)
    devices = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=devices, schedule=steps, on_trace_ready=ready, record_shapes=True) as profiler:
        hook = optimizer.optimizer.register_step_post_hook(lambda *_: profiler.step())
        try:
            yield
        finally:
            hook.remove()
    if profiler.step_num <= _WARM_UP:
        say(f"no trace: it begins after {_WARM_UP} steps, and this run took {profiler.step_num}")
