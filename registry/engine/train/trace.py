"""A trace of a few training steps: which operators run when, for Perfetto and TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

from .run import Learning, Run

#: Steps that are left out, the profiler's own warm-up among them, and steps that are traced.
_WARM_UP: Final = 3
_STEPS: Final = 5


@contextmanager
def traced(run: Run, learning: Learning) -> Iterator[None]:
    """While entered, the first steps after a warm-up are traced into ``profile/`` of the run folder."""
    if learning.optimizer is None:
        run.console.note(f"no trace: {run.plan.trainer.name} has no training steps")
        yield
        return
    folder = run.folder.path / "profile"
    write = tensorboard_trace_handler(str(folder), use_gzip=True)

    def ready(profiler: profile) -> None:
        number = profiler.step_num - _WARM_UP
        if number:
            write(profiler)
            plural = "s" * (number > 1)
            run.console.say(f"trace of {number} step{plural}: {folder} (https://ui.perfetto.dev, or TensorBoard)")

    steps = schedule(wait=1, warmup=_WARM_UP - 1, active=_STEPS, repeat=1)
    devices = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=devices, schedule=steps, on_trace_ready=ready, record_shapes=True) as profiler:
        hook = learning.optimizer.optimizer.register_step_post_hook(lambda *_: profiler.step())
        try:
            yield
        finally:
            hook.remove()
    if profiler.step_num <= _WARM_UP:
        run.console.note(f"no trace: it begins after {_WARM_UP} steps, and this run took {profiler.step_num}")
