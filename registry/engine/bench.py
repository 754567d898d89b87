"""How fast a recipe trains here, and what limits it: the loader, the network, both, and the parts of a step."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console as Terminal
from torch.utils.flop_counter import FlopCounterMode

from ..errors import InputError
from ..recipe.plan import Plan
from .console import Console
from .data.loader import batches, close
from .records.run_folder import RunFolder
from .runtime.device import DTYPES, Runtime
from .train import demo
from .train.prepare import Preparation
from .train.run import Learning, Run

#: The parts of a step, in their order.
PARTS: Final = ("to the device", "forward", "backward", "optimizer")
#: Side of the square matrices whose product is the yardstick, by the kind of device.
_SIDES: Final = {"cpu": 2048, "cuda": 8192}
#: Where the network alone is this many times as fast as the whole step, loading is worth looking at.
_WORTH: Final = 1.15


def bench(plan: Plan, terminal: Terminal, seconds: float = 5.0) -> dict[str, Any]:
    """Measure a plan's training; nothing is kept, no weights are written.

    Args:
        plan: as for ``execute``.
        terminal: where progress is shown.
        seconds: of each measurement, at least three batches.

    Returns:
        ``images_per_second`` (``loader``, ``network``, ``both``), ``step`` (seconds of each of ``PARTS``),
        ``batch_size``, ``gflop`` (of a step), ``gflops`` (reached), ``matrix_gflops`` (of a matrix product in the same
        precision), ``peak_mb`` (device memory on a GPU, else the process's), ``runtime`` and ``advice``.

    Raises:
        InputError: the trainer learns nothing, or encodes its images only once.
    """
    console = Console(terminal)
    with prepared(plan, console) as (run, learning):
        if learning.optimizer is None or run.task.encodes_once:
            raise InputError.of("trainer", f"{plan.trainer.name} has no training steps over images to measure")
        learning.task.train()
        with console.working("measuring the loader") as show:
            loader = _rate(endless(learning), lambda batch: None, seconds)
            batch = next(endless(learning))
            show("measuring the network")
            parts: dict[str, list[float]] = {part: [] for part in PARTS}
            network = _rate(cycle([batch]), lambda each: _step(run, learning, each, parts), seconds)
            show("measuring both")
            both = _rate(endless(learning), lambda each: _step(run, learning, each, {}), seconds)
            show("counting operations")
            with FlopCounterMode(display=False) as counter:
                _step(run, learning, batch, {})
        step = {part: statistics.median(values) for part, values in parts.items()}
        operations = counter.get_total_flops() / 1e9
        found = {
            "images_per_second": {"loader": loader, "network": network, "both": both},
            "step": step,
            "batch_size": len(batch["name"]),
            "gflop": operations,
            "gflops": operations / sum(step.values()),
            "matrix_gflops": _matrix_rate(run.runtime),
            "peak_mb": _peak_megabytes(run.runtime.device),
            "workers": learning.train_loader.num_workers,
            "runtime": str(run.runtime),
        }
        return {**found, "advice": advice(found, run.runtime.device.type)}


def find_batch_size(plan: Plan, terminal: Terminal, seconds: float = 2.0) -> list[dict[str, Any]]:
    """Speed and memory of the network alone at doubling batch sizes, until one does not fit or none is faster.

    Returns:
        ``batch_size``, ``images_per_second``, ``peak_mb`` of each; the last may hold ``error`` in place of the others.
    """
    rows: list[dict[str, Any]] = []
    size, slower = 1, 0
    while slower < 2:
        size *= 2
        try:
            sized = replace(plan, loop=replace(plan.loop, batch_size=size))
            with prepared(sized, Console(terminal)) as (run, learning):
                learning.task.train()
                batch = next(endless(learning))
                if len(batch["name"]) < size:
                    break  # more than the data set has
                rate = _rate(cycle([batch]), lambda each: _step(run, learning, each, {}), seconds)
                row = {"images_per_second": rate, "peak_mb": _peak_megabytes(run.runtime.device)}
        except (torch.cuda.OutOfMemoryError, MemoryError) as error:
            rows.append({"batch_size": size, "error": str(error).partition("\n")[0]})
            break
        slower = slower + 1 if rows and row["images_per_second"] < 1.03 * max(map(_speed, rows)) else 0
        rows.append({"batch_size": size, **row})
    return rows


def _speed(row: Mapping[str, Any]) -> float:
    return float(row.get("images_per_second", 0.0))


def advice(found: Mapping[str, Any], device: str) -> str:
    """What limits, which setting to change, and what to expect of it."""
    rates, step = found["images_per_second"], found["step"]
    gain = rates["network"] / rates["both"]
    if gain > _WORTH:
        setting = "runtime.workers" if found["workers"] == 0 else "runtime.workers, smaller images on disk,"
        return f"loading limits: raise {setting} or leave augmentations out; up to {gain:.1f} times as fast"
    share = found["gflops"] / found["matrix_gflops"]
    if step["optimizer"] > 0.25 * sum(step.values()):
        return "the optimizer takes over a quarter of a step: raise trainer.accumulate or trainer.batch_size"
    if share < 0.2:
        more = "; on a GPU in long runs also runtime.compile" if device != "cpu" else ""
        return f"the network reaches {share:.0%} of a matrix product's speed: raise trainer.batch_size{more}"
    return f"the network limits, at {share:.0%} of a matrix product's speed: smaller images or a smaller network"


@contextmanager
def prepared(plan: Plan, console: Console) -> Iterator[tuple[Run, Learning]]:
    """A run ready for its first step, in a folder that is gone afterwards."""
    if plan.make is not None:
        plan = demo.generate_data(plan, console)
    with tempfile.TemporaryDirectory() as folder:
        run, learning = Preparation(plan, RunFolder(Path(folder) / "run"), console, []).prepare(None)
        try:
            yield run, learning
        finally:
            close(learning.train_loader)
            del run, learning
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()


def endless(learning: Learning) -> Iterator[dict[str, Any]]:
    """Training batches, epoch after epoch."""
    epoch = 0
    while True:
        epoch += 1
        learning.train_order.start(epoch)
        yield from batches(learning.train_loader)


def _rate(walk: Iterator[dict[str, Any]], use: Callable[[dict[str, Any]], object], seconds: float) -> float:
    """Images per second, after two batches that warm up."""
    for batch in islice(walk, 2):
        use(batch)
    images, count, start = 0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or count < 3:
        batch = next(walk)
        use(batch)
        images, count = images + len(batch["name"]), count + 1
    return images / elapsed


def _step(run: Run, learning: Learning, batch: dict[str, Any], parts: Mapping[str, list[float]]) -> None:
    """A training step; the seconds of its parts are added to ``parts``, which costs a synchronisation each."""
    clock = time.perf_counter()

    def done(part: str) -> None:
        nonlocal clock
        if parts:
            run.runtime.synchronize()
            parts[part].append(time.perf_counter() - clock)
            clock = time.perf_counter()

    prepared = run.preprocess(batch)
    done("to the device")
    loss = learning.task(prepared)["loss"]
    done("forward")
    run.runtime.fabric.backward(loss)
    done("backward")
    learning.optimizer.step()
    learning.optimizer.zero_grad(set_to_none=True)
    run.task.after_step(1, 2)
    done("optimizer")


def _matrix_rate(runtime: Runtime) -> float:
    """GFLOP/s of a product of two square matrices in the run's precision, the best of several."""
    dtype = DTYPES.get(runtime.precision, torch.float32)
    side = _SIDES.get(runtime.device.type, 2048)
    matrix = torch.randn(side, side, device=runtime.device).to(dtype)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        matrix @ matrix
        runtime.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e9


def _peak_megabytes(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
