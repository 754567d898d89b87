"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import torch

from ...errors import StoppedBySignal
from ...recipe.planner import epochs_at
from ...signals import StopRequest
from ..console import Progress
from ..data.loader import batches, derive_seed
from ..records.epoch import EpochRecord
from ..runtime import processes
from ..runtime.memory import memory_named
from ..runtime.sharding import whole
from .run import Learning, Position, Run
from .state import save, save_best, save_epoch, save_within_epoch
from .step.not_finite import about_score
from .step.stepper import Stepper

#: Pictures of the evaluation split that trackers get after each evaluation.
_SHOWN = 4
#: Classes whose precision-recall curve they get, at most.
_CURVES = 100
_SMALLER = "set trainer.eval_batch_size to fewer"
#: Seconds between two updates of the progress bar.
_REFRESH = 0.25


def fit(run: Run, learning: Learning, stop: StopRequest) -> None:
    """Train from ``run.position`` to the last epoch, or until ``patience`` evaluations have brought nothing better.

    Args:
        stop: entered.

    Raises:
        StoppedBySignal: asked to stop; ``last.pt`` holds everything that a resumed run needs.
        Diverged: the loss or the gradients became NaN or infinite.
        OutOfMemory: a batch does not fit into memory.
    """
    loop, position = run.plan.loop, run.position
    number = len(learning.train_order)
    started = time.monotonic() - position.wall_seconds
    done = (position.epoch - 1) * number + position.batch
    bar = run.console.progress(loop.epochs * number, "batches", done)
    with bar as progress, run.checkpoints:
        measure_start(run, stop)
        while position.epoch <= loop.epochs and not ends_early(run):
            # --- train ----------------------------------------------------------------------------
            if learning.optimizer is not None and not stop:
                train_epoch(run, learning, stop, progress)
            if is_evaluated(run) and not position.best_epoch and not stop:
                save(run, learning)  # so that there is never a best.pt without a last.pt
            # --- evaluate -------------------------------------------------------------------------
            with averaged(learning), whole(run.task):
                measured = not stop and measure_epoch(run, learning, stop, started, progress)
            # --- save -----------------------------------------------------------------------------
            if not measured:
                position.wall_seconds = time.monotonic() - started
                save(run, learning)
                where = f"epoch {position.epoch}, batch {position.batch} of {number}"
                recipe, out = shlex.quote(str(run.folder.path / "recipe.yaml")), shlex.quote(str(run.folder.path))
                hint = f"go on with: hw1cli run {recipe} --out {out} --resume"
                raise StoppedBySignal(f"stopped by {stop.name} in {where}; the state is saved", hint)
            if out_of_patience(run) and position.epoch < loop.epochs:
                run.console.say(early_end(run))
                with averaged(learning), whole(run.task):
                    draw_reports(run, learning, of_epoch=loop.epochs)
            position.next_epoch()
            save_epoch(run, learning, ended=position.epoch > loop.epochs or ends_early(run))


def averaged(learning: Learning) -> AbstractContextManager[None]:
    """A context in which the task holds the moving average of its weights, where there is one."""
    return learning.average.in_place() if learning.average is not None else nullcontext()


def out_of_patience(run: Run) -> bool:
    """Whether as many evaluations as ``patience`` allows have brought nothing better."""
    patience = run.plan.loop.patience
    return patience is not None and run.position.stale >= patience


def ends_early(run: Run) -> bool:
    """Whether a run ends before its last epoch: out of patience, or pruned."""
    return run.pruned or out_of_patience(run)


def early_end(run: Run) -> str:
    """Why a run that is out of patience ends before its last epoch, and how it can go on."""
    stale = run.position.stale
    evaluations = f"{stale} evaluation{'s' * (stale != 1)}"
    hint = f"--resume with trainer.patience above {stale} goes on"
    return f"no better {run.task.monitor} for {evaluations}: the run ends before epoch {run.epochs}; {hint}"


def measure_start(run: Run, stop: StopRequest) -> None:
    """Evaluate the network before its first step, for a task that asks for it."""
    position, monitor = run.position, run.task.monitor
    if run.task.measures_start and run.loaders and position.step == 0:
        with whole(run.task):
            score = evaluate(run, stop).get(monitor)
        if score is not None:
            position.start = {f"start/{monitor}": score}
            run.console.say(f"before the first step: {monitor} {score:.4f}")


def train_epoch(run: Run, learning: Learning, stop: StopRequest, progress: Progress) -> None:
    """The rest of the current epoch; returns early, at a step's border, when asked to stop."""
    loop, position = run.plan.loop, run.position
    order, optimizer, stepper = learning.train_order, learning.optimizer, Stepper(run, learning)
    total_steps = loop.epochs * -(-len(order) // loop.accumulate)
    if position.batch == 0:
        torch.manual_seed(derive_seed(run.plan.seed, position.epoch, 1 + processes.rank()))  # dropout of this epoch
    order.start(position.epoch, position.batch)
    learning.task.train()
    learning.begin_epoch(position.epoch)

    before = 1 if processes.rank() == 0 else 0  # what was summed before the run was stopped counts once
    sums = {name: torch.tensor(value * before, device=run.runtime.device) for name, value in position.sums.items()}
    clock = shown = time.perf_counter()
    waiting = 0  # batches that the bar does not show yet
    for group in _groups(stop.until_requested(batches(learning.train_loader)), loop.accumulate):
        if stop and len(group) < loop.accumulate:
            break  # a step of some of its batches would not be the step of an uninterrupted run
        for parameters, rate in zip(optimizer.param_groups, learning.base_rates, strict=True):
            parameters["lr"] = rate * learning.schedule(position.step)
        images = sum(map(order.size, range(position.batch, position.batch + len(group))))
        figures = stepper.step(group)
        position.step += 1
        position.batch += len(group)
        if figures is not None:  # else the step was skipped
            position.images += images
            for found, number in figures:
                for name, figure in found.items():
                    if name not in sums:
                        sums[name] = torch.zeros((), device=run.runtime.device)
                    sums[name].add_(figure, alpha=number)
            run.task.after_step(position.step, total_steps)
            if learning.average is not None:
                learning.average.update(position.step)

        # Reading the figures waits for the device: at log points, and as often as a reader follows the bar.
        waiting += len(group)
        late = position.step == 1 or time.perf_counter() - shown > _REFRESH
        refresh, to_save = stop.agree(late, save_within_epoch(run, learning))
        if refresh or position.step % loop.log_every == 0:
            mean = read_figures(position, stepper, sums)
        if refresh:
            rate = position.images / (position.epoch_seconds + time.perf_counter() - clock)
            status = f"loss {mean:.4f}  {rate:.1f} images/s{last_score(run)}"
            progress.advance(waiting, f"epoch {position.epoch}/{loop.epochs}", status)
            waiting, shown = 0, time.perf_counter()
        if stop:
            break
        if to_save:
            read_figures(position, stepper, sums)
            position.epoch_seconds, clock = position.epoch_seconds + time.perf_counter() - clock, time.perf_counter()
            save(run, learning)
    read_figures(position, stepper, sums)
    run.runtime.synchronize()
    position.epoch_seconds += time.perf_counter() - clock
    progress.advance(waiting, f"epoch {position.epoch}/{loop.epochs}", last_score(run))


def read_figures(position: Position, stepper: Stepper, sums: dict[str, torch.Tensor]) -> float:
    """Take the sums of the epoch so far into the position; the mean loss, NaN where every step was skipped.

    Raises:
        Diverged: the loss or the gradients of a step were NaN or infinite.
    """
    stepper.check()
    if not sums:
        return math.nan
    position.sums = dict(zip(sums, processes.summed(torch.stack(list(sums.values())).tolist()), strict=True))
    return position.sums["loss"] / position.images


def _groups(walk: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Consecutive batches in lists of ``size``; the last may be shorter."""
    while group := list(islice(walk, size)):
        yield group


def last_score(run: Run) -> str:
    """The monitored score of the last evaluation, for the progress bar."""
    records = [record for record in run.trackers.records if run.task.monitor in record.val]
    return f"  {run.task.monitor} {records[-1].val[run.task.monitor]:.4f}" if records else ""


def is_evaluated(run: Run) -> bool:
    """Whether the current epoch ends with an evaluation."""
    loop, epoch = run.plan.loop, run.position.epoch
    return bool(run.loaders) and (epoch % loop.evaluate_every == 0 or epoch == loop.epochs)


def measure_epoch(run: Run, learning: Learning, stop: StopRequest, started: float, progress: Progress) -> bool:
    """Evaluate, record the epoch, draw its reports; false, and nothing written, when asked to stop first."""
    scores: dict[str, float] = {}
    if is_evaluated(run):
        scores = evaluate(run, stop)
        if stop:
            return False
        for sentence in run.task.notes():
            run.add_caveat(sentence)
    record(run, learning, scores, time.monotonic() - started, progress)
    draw_reports(run, learning)
    return True


def evaluate(run: Run, stop: StopRequest | None = None) -> dict[str, float]:
    """The task's scores over its evaluation splits; incomplete when asked to stop on the way."""
    task = run.task
    task.eval()
    task.begin_evaluation()
    with torch.inference_mode(), run.runtime.autocast():
        for split, loader in run.loaders.items():
            walk = batches(loader)
            for batch in walk if stop is None else stop.until_requested(walk):
                with memory_named(f"an evaluation batch of {len(batch['name'])} images", _SMALLER):
                    task.evaluate({**run.preprocess(batch), "split": split})
            if stop is not None:
                stop.agree()
            if stop:
                return {}
    return task.scores()


def record(run: Run, learning: Learning, scores: dict[str, float], wall: float, progress: Progress) -> None:
    """Write an epoch's record, pictures and, where it is the best so far, its checkpoint."""
    position, task = run.position, run.task
    train = {name: value / max(position.images, 1) for name, value in position.sums.items()}
    speed = {}
    if learning.optimizer is not None:
        speed["lr"] = learning.optimizer.param_groups[0]["lr"]
        speed["images_per_second"] = position.images / max(position.epoch_seconds, 1e-9)
        speed["seconds"] = position.epoch_seconds
    if run.skipped.reasons:
        speed["skipped_samples"] = float(len(run.skipped.reasons))
    if position.skipped_steps:
        speed["skipped_steps"] = float(position.skipped_steps)
    epoch = EpochRecord(position.epoch, train, scores | position.start if scores else {}, speed)
    best = bool(scores) and judge(run, scores[task.monitor])
    position.seconds += position.epoch_seconds
    position.images_seen += position.images
    position.wall_seconds = wall

    run.trackers.epoch(epoch)
    if scores:
        curves = task.probability_counts()
        for name, counts in zip(
            run.facts.get("class_names", ()), () if curves is None else curves[:_CURVES], strict=False
        ):
            run.trackers.pr_curve(f"val_classes/{name}", counts, position.epoch)
        for index, picture in enumerate(task.pictures(run, _SHOWN)):
            run.trackers.picture(f"val/{index}", picture, position.epoch)
    run.console.say(epoch_line(run, epoch, best, progress.left))
    progress.line_printed()
    if best:
        save_best(run, epoch.columns())
    if scores and not run.watch(run, scores[task.monitor]) and position.epoch < run.epochs:
        run.pruned = True
        run.console.say(f"pruned after epoch {position.epoch}: other trials were better by then")


def judge(run: Run, score: float) -> bool:
    """Whether a score is the best so far; keeps it if it is. A score that is not finite never is."""
    position = run.position
    if not math.isfinite(score):
        run.add_caveat(about_score(run, score))
        return False
    better = position.best_score is None or run.task.is_better(score, position.best_score)
    position.stale = 0 if better else position.stale + 1
    if better:
        position.best_score, position.best_epoch = score, position.epoch
    return better


def epoch_line(run: Run, epoch: EpochRecord, best: bool, left: str) -> str:
    """The line of a finished epoch: the losses, the monitored score, the other scores, the speed, the time left."""
    shown = [f"epoch {epoch.epoch:>{len(str(run.epochs))}}/{run.epochs}"]
    scores = epoch.scores()
    first = [name for name in ("train_loss", "val_loss", run.monitored) if name in scores]
    shown += [f"{name} {scores[name]:.4f}" for name in dict.fromkeys([*first, *scores]) if "/" not in name]
    if "images_per_second" in epoch.run:
        shown.append(f"{epoch.run['images_per_second']:.1f} images/s")
    shown.append(f"left {left}")
    if best:
        shown.append("best so far" + below_start(run, epoch.val[run.task.monitor]))
    return "  ".join(shown)


def below_start(run: Run, score: float) -> str:
    """A remark where a score is not better than the one before the first step; else nothing."""
    start = run.position.start.get(f"start/{run.task.monitor}")
    return "" if start is None or run.task.is_better(score, start) else f", but not better than the start's {start:.4f}"


def draw_reports(run: Run, learning: Learning, of_epoch: int | None = None) -> None:
    """Call the reports that are due.

    ``of_epoch`` draws now what would have been due at another epoch: the last one, for a run that ends early.
    """
    if processes.rank() > 0:
        run.follow_reports()
        return
    epoch = run.position.epoch
    for plan, report in zip(run.plan.reports, learning.reports, strict=True):
        due = epochs_at(report.at, run.epochs)
        if epoch in due if of_epoch is None else of_epoch in due and epoch not in due:
            try:
                report(run, epoch)
            except (Exception, SystemExit) as error:
                reason = str(error) or type(error).__name__
                run.add_failure(f"{plan.component.source} failed after epoch {epoch}: {reason}", error)
    run.end_reports()
