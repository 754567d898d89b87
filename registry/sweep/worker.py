"""A worker of a sweep: it carries out runs until nothing is left."""

from __future__ import annotations

import os
from pathlib import Path

from optuna.trial import Trial, TrialState
from rich.console import Console as Terminal

from ..catalog.registry import Registry
from ..engine.console import Console
from ..engine.records.run_folder import disk_is_full
from ..engine.train.demo import generate_data
from ..engine.train.run import Run
from ..engine.train.session import execute_unfinished
from ..errors import Hw1Error, StoppedBySignal
from ..recipe.grammar import SweepSettings
from ..recipe.plan import Plan
from ..recipe.planner import make_plan
from ..results.runs import read, read_object
from .trials import Job, Trials


def work(plan: Plan, settings: SweepSettings, folder: Path) -> None:
    """Carry out runs of a sweep until none is left.

    Args:
        plan: of a recipe with search spaces, at their default values.
        settings: of the sweep.
        folder: the sweep's.

    Raises:
        StoppedBySignal, KeyboardInterrupt: asked to stop; the run at hand goes on later.
        Hw1Error: the disk is full.
    """
    registry, trials = Registry(), Trials(folder, plan.recipe, settings, plan.loop.epochs)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        terminal = Terminal(file=nowhere)
        if plan.make is not None:
            with trials.exclusive:  # one generates the data, and the others find them
                generate_data(plan, Console(terminal))
        while (job := trials.next()) is not None:
            try:
                _carry_out(job, trials, registry, terminal)
            finally:
                job.claim.release()


def _carry_out(job: Job, trials: Trials, registry: Registry, terminal: Terminal) -> None:
    trial, folder = job.trial, trials.folder / job.name
    if trial is not None and (reason := trials.begin(trial)) is not None:
        trials.fail(trial, reason)
        return

    def goes_on(run: Run, score: float) -> bool:
        about = (run.monitored, run.task.higher_is_better, run.epochs)
        return trial is None or trials.report(trial, score, run.position.epoch, about)

    try:
        if not _has_ended(folder):
            execute_unfinished(make_plan(job.recipe, registry), terminal, folder, watch=goes_on)
    except (KeyboardInterrupt, StoppedBySignal):
        if trial is not None:
            trials.stopped(trial)
        raise
    except Exception as error:
        if disk_is_full(error):
            raise
        if not _has_ended(folder):  # else a report or a tracker failed, and the run itself did not
            reason = str(error) if isinstance(error, Hw1Error) else f"{type(error).__name__}: {error}"
            if trial is None:
                trials.fail_repeat(job.name, reason)
            else:
                trials.fail(trial, reason)
            return
    if trial is not None:
        _tell(trial, trials, folder)


def _has_ended(folder: Path) -> bool:
    path = folder / "summary.json"
    return path.is_file() and read_object(path).get("status") in ("done", "pruned")


def _tell(trial: Trial, trials: Trials, folder: Path) -> None:
    """Record how a run that has ended did."""
    run = read(folder)
    notes = {"seconds": run.summary["wall_seconds"], "best_epoch": run.summary["best_epoch"]}
    if run.summary["status"] == "pruned":
        trials.tell(trial, TrialState.PRUNED, **notes)
    elif run.score is None:
        trials.fail(trial, f"it has no finite {run.monitor}", **notes)
    else:
        trials.tell(trial, TrialState.COMPLETE, run.score, **notes)
