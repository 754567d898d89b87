"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import shlex
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from ...errors import Hw1Error, StoppedBySignal
from ...recipe import epochs
from ..data.loader import EpochOrder, checked, draw
from ..records import checkpoints
from .ema import WeightAverage
from .run import Position, Run
from .signals import StopRequest

#: Pictures of the evaluation split that trackers get after each evaluation.
_SHOWN = 4


class Diverged(Hw1Error):
    """The loss is no number any more."""


@dataclass
class Learning:
    """What changes the weights: the task and the optimizer as Fabric wrapped them, the loader, the schedule.

    ``average`` follows the weights and takes their place in evaluations, reports and ``best.pt``. ``optimizer`` is None
    where nothing learns: the epoch is evaluated only.
    """

    task: Any
    optimizer: Any
    schedule: Callable[[int], float]
    train_loader: DataLoader[Any]
    train_order: EpochOrder
    reports: Sequence[Any]
    average: WeightAverage | None = None

    def __post_init__(self) -> None:
        groups = self.optimizer.param_groups if self.optimizer is not None else []
        self.base_rates = [group["lr"] * group.get("lr_scale", 1.0) for group in groups]


def fit(run: Run, learning: Learning) -> None:
    """Train from ``run.position`` to the last epoch.

    Raises:
        StoppedBySignal: asked to stop; ``last.pt`` holds everything that a resumed run needs.
        Diverged: the loss became NaN or infinite.
    """
    loop, position = run.plan.loop, run.position
    batches = len(learning.train_order)
    run.display.start(loop.epochs, batches, (position.epoch - 1) * batches + position.batch)
    started = time.monotonic() - position.wall_seconds
    try:
        with StopRequest() as stop:
            measure_start(run, stop)
            while position.epoch <= loop.epochs:
                # --- learn ------------------------------------------------------------------------
                if learning.optimizer is not None and not stop:
                    train_epoch(run, learning, stop)
                # --- measure ----------------------------------------------------------------------
                with learning.average.in_place() if learning.average else nullcontext():
                    measured = not stop and measure_epoch(run, learning, stop, started)
                # --- write ------------------------------------------------------------------------
                if not measured:
                    position.wall_seconds = time.monotonic() - started
                    save(run, learning, run.folder.last)
                    where = f"epoch {position.epoch}, batch {position.batch} of {batches}"
                    recipe, out = shlex.quote(str(run.folder.path / "recipe.yaml")), shlex.quote(str(run.folder.path))
                    hint = f"go on with: hw1cli run {recipe} --out {out} --resume"
                    raise StoppedBySignal(f"stopped by {stop.name} in {where}; the state is saved", hint)
                ends_early = loop.patience is not None and position.stale >= loop.patience
                if ends_early:
                    run.display.say(f"no better {run.task.monitor} for {position.stale} evaluations: the run ends here")
                    with learning.average.in_place() if learning.average else nullcontext():
                        draw_reports(run, learning, of_epoch=loop.epochs)
                position.next_epoch()
                save(run, learning, run.folder.last)
                if ends_early:
                    break
    finally:
        run.display.stop()


def measure_start(run: Run, stop: StopRequest) -> None:
    """Evaluate what the training begins with, of a task that asks for it."""
    position, monitor = run.position, run.monitored
    if run.task.measures_start and run.loaders and position.step == 0:
        score = evaluate(run, stop).get(monitor)
        if score is not None:
            position.start = {f"start/{monitor}": score}
            run.display.say(f"before the first step: {monitor} {score:.4f}")


def train_epoch(run: Run, learning: Learning, stop: StopRequest) -> None:
    """The rest of the current epoch; returns early, at a step's border, when asked to stop."""
    loop, position = run.plan.loop, run.position
    order, optimizer, fabric = learning.train_order, learning.optimizer, run.runtime.fabric
    total_steps = loop.epochs * _steps(len(order), loop.accumulate)
    if position.batch == 0:
        torch.manual_seed(draw(run.plan.seed, position.epoch, 1))  # dropout is a function of (seed, epoch), too
    order.start(position.epoch, position.batch)
    learning.task.train()

    sums = {name: torch.tensor(value, device=run.runtime.device) for name, value in position.sums.items()}
    clock, told = time.perf_counter(), ""
    for group in _groups(map(checked, learning.train_loader), loop.accumulate):
        for parameters, rate in zip(optimizer.param_groups, learning.base_rates, strict=True):
            parameters["lr"] = rate * learning.schedule(position.step)
        images = sum(len(batch["name"]) for batch in group)
        for batch in group:
            figures = learning.task(run.prepared(batch))
            share = len(batch["name"]) / images
            fabric.backward(figures["loss"] * share)
            for name, figure in figures.items():
                sums[name] = figure.detach().float() * len(batch["name"]) + sums.get(name, 0.0)
        if loop.clip_norm is not None:
            fabric.clip_gradients(learning.task, optimizer, max_norm=loop.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        position.step += 1
        position.batch += len(group)
        position.images += images
        run.task.after_step(position.step, total_steps)
        if learning.average is not None:
            learning.average.update(position.step)

        # Reading the figures waits for the device, so they are read only at log points.
        if position.step % loop.log_every in (0, 1) or position.batch == len(order) or stop:
            position.sums = dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))
            mean = position.sums["loss"] / position.images
            if not math.isfinite(mean):
                where = f"epoch {position.epoch}, step {position.step}"
                raise Diverged(f"the training loss is {mean} in {where}", "lower optimizer.lr or set trainer.clip_norm")
            told = f"loss {mean:.4f}"
        rate = position.images / (position.epoch_seconds + time.perf_counter() - clock)
        run.display.step(position.epoch, len(group), f"{told}  {rate:.1f} images/s")
        if stop:
            break
    run.runtime.synchronize()
    position.epoch_seconds += time.perf_counter() - clock


def _groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Consecutive batches in lists of ``size``; the last may be shorter."""
    while group := list(islice(batches, size)):
        yield group


def _steps(batches: int, accumulate: int) -> int:
    return -(-batches // accumulate)


def _due(epoch: int, every: int, epochs: int) -> bool:
    return epoch % every == 0 or epoch == epochs


def measure_epoch(run: Run, learning: Learning, stop: StopRequest, started: float) -> bool:
    """Evaluate, write the epoch's row, draw its reports; false, and nothing written, when asked to stop first."""
    loop, epoch = run.plan.loop, run.position.epoch
    scores = None
    if run.loaders and _due(epoch, loop.evaluate_every, loop.epochs):
        scores = evaluate(run, stop)
        if stop:
            return False
        for sentence in run.task.notes():
            run.add_caveat(sentence)
    record(run, learning, scores, time.monotonic() - started)
    draw_reports(run, learning)
    return True


def evaluate(run: Run, stop: StopRequest | None = None) -> dict[str, float]:
    """The task's scores over its evaluation splits; incomplete when asked to stop on the way."""
    task = run.task
    task.eval()
    task.begin_evaluation()
    with torch.inference_mode(), run.runtime.autocast():
        for split, loader in run.loaders.items():
            for batch in map(checked, loader):
                task.evaluate({**run.prepared(batch), "split": split})
                if stop:
                    return {}
    return task.scores()


def record(run: Run, learning: Learning, scores: dict[str, float] | None, wall: float) -> None:
    """Write an epoch's row, pictures and, where it is the best so far, its checkpoint."""
    position, task = run.position, run.task
    row: dict[str, float] = {"epoch": position.epoch}
    row |= {f"train_{name}": value / max(position.images, 1) for name, value in position.sums.items()}
    best = False
    if scores is not None:
        row |= {"val_loss" if name == "loss" else name: value for name, value in scores.items()}
        row |= position.start
        best = _judge(run, row[run.monitored])
    if learning.optimizer is not None:
        row["lr"] = learning.optimizer.param_groups[0]["lr"]
        row["images_per_second"] = position.images / max(position.epoch_seconds, 1e-9)
        row["seconds"] = position.epoch_seconds
    position.seconds += position.epoch_seconds
    position.images_seen += position.images
    position.wall_seconds = wall

    run.trackers.epoch(row)
    if scores is not None:
        for index, picture in enumerate(task.pictures(run, _SHOWN)):
            run.trackers.picture(f"val/{index}", picture, position.epoch)
    run.display.epoch(row, run.monitored, best)
    if best:
        checkpoints.save(run.folder.best, {"task": task.state_dict(), "epoch": position.epoch, "scores": row})


def _judge(run: Run, score: float) -> bool:
    """Whether a score is the best so far; keeps it if it is."""
    position = run.position
    sign = 1 if run.task.higher_is_better else -1
    better = position.best_score is None or sign * score > sign * position.best_score
    position.stale = 0 if better else position.stale + 1
    if better:
        position.best_score, position.best_epoch = score, position.epoch
    return better


def save(run: Run, learning: Learning, path: Any) -> None:
    """Write everything that a resumed run needs."""
    state = {
        "task": run.task.state_dict(),
        "optimizer": learning.optimizer.state_dict() if learning.optimizer is not None else {},
        "position": vars(run.position),
        "random": random_state(run.runtime.device),
        "base_rates": learning.base_rates,
        "precision": run.runtime.precision,
        "memory_format": run.runtime.memory_format,
    }
    if learning.average is not None:
        state["average"] = learning.average.state_dict()
    checkpoints.save(path, state)


def restore(run: Run, learning: Learning, state: dict[str, Any]) -> None:
    """Put a checkpoint's state in place."""
    run.task.load_state_dict(state["task"])
    if learning.average is not None:
        learning.average.load_state_dict(state["average"])
    if learning.optimizer is not None:
        learning.optimizer.load_state_dict(state["optimizer"])
    learning.base_rates = state["base_rates"]
    run.position = Position(**state["position"])
    torch.set_rng_state(state["random"]["cpu"])
    if "cuda" in state["random"] and run.runtime.device.type == "cuda":
        torch.cuda.set_rng_state(state["random"]["cuda"], run.runtime.device)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's generators that training draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def draw_reports(run: Run, learning: Learning, of_epoch: int | None = None) -> None:
    """Call the reports that are due. One that fails is noted, and the training goes on: it may be worth days.

    ``of_epoch`` draws now what would have been due at another epoch: the last one, of a run that ends early.
    """
    epoch = run.position.epoch
    for plan, report in zip(run.plan.reports, learning.reports, strict=True):
        due = epochs.epochs_at(report.at, run.epochs)
        if epoch in due if of_epoch is None else of_epoch in due and epoch not in due:
            try:
                report(run, epoch)
            except Exception as error:
                run.failures.append(f"{plan.component.source} failed after epoch {epoch}: {error}")
                run.display.note(run.failures[-1])
                run.display.keep(traceback.format_exc())
