"""The runs of a study in processes of their own, several at a time: of this machine, or of SLURM."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .... import files
from ....errors import PLUGIN_FAILED, WRONG_INPUT, Hw1Error, InputError, PluginError, StoppedBySignal
from ....jobs import Job, Look, Outcome, State, View, carry_out, executor_of
from ....results.runs import read_if_done, read_rows
from ....signals import end_with_parent
from ...options import command_of

if TYPE_CHECKING:
    from rich.console import Console

    from ....recipe.plan import Plan
    from ....recipe.request import Request

#: Columns of an epoch's row beside its scores.
_NO_SCORES = ("epoch", "lr", "seconds", "images_per_second")


@dataclass(frozen=True)
class Parallel:
    """How the runs of a study are carried out.

    Args:
        request: the command, which each run repeats for itself.
        number: of runs at a time.
        executor: None for processes of this one, ``local`` or ``slurm`` for submitit's.
        slurm: options of SLURM, ``KEY=VALUE`` each.
    """

    request: Request
    number: int = 1
    executor: str | None = None
    slurm: Sequence[str] = ()


def run_in_parallel(study: Sequence[Plan], folder: Path, how: Parallel, console: Console) -> dict[str, Exception]:
    """Train every run that is not finished yet, and show all of them in one view.

    What becomes of each run is in ``jobs.json``, what it prints in ``logs/RUN.txt`` of the folder.

    Returns:
        What went wrong, by the run.

    Raises:
        InputError: a run names one of several GPUs, which are assigned.
        StoppedBySignal: only because of a signal are there runs left.
    """
    plans = {plan.recipe.title: plan for plan in study}
    for name, plan in plans.items():
        if how.number > 1 and ":" in plan.runtime.device:
            message = f"of {name} is {plan.runtime.device}, and with --jobs every run gets a GPU"
            raise InputError.of("runtime.device", message, "leave it out, or set CUDA_VISIBLE_DEVICES")
    left = [name for name in plans if read_if_done(folder / name) is None]
    jobs = [
        Job(name, _command(how.request, plans[name], folder), folder / "logs" / f"{name}.txt", plans[name].recipe.needs)
        for name in left
    ]
    gpus = max(plan.runtime.devices for plan in study)
    executor = executor_of(folder / "jobs", how.executor, how.number, gpus, how.slurm)
    shown: dict[str, Any] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with View(console, jobs, lambda job: _look(plans[job.name], folder / job.name), len(plans) - len(left)) as view:

        def changed(outcomes: Mapping[str, Outcome]) -> None:
            view(outcomes)
            states = {name: {"state": str(each.state), "code": each.code} for name, each in outcomes.items()}
            if states != shown:
                shown.update(states)
                files.write_json(folder / "jobs.json", states)

        try:
            outcomes = carry_out(jobs, executor, changed)
        except KeyboardInterrupt as interrupted:
            hint = "the same command continues; finished runs are skipped"
            raise StoppedBySignal(f"stopped by {interrupted}; the runs have ended", hint) from None
    failures = {job.name: _failure(job, outcomes) for job in jobs if outcomes[job.name].state is not State.DONE}
    if failures and all(outcomes[name].state in (State.STOPPED, State.SKIPPED) for name in failures):
        hint = f"the same command continues; {len(failures)} of {len(study)} runs are left"
        raise StoppedBySignal("runs of the study were stopped by a signal", hint)
    return failures


def train_member(plan: Plan, out: Path, console: Console) -> None:
    """Start the run of a study, go on with it, or leave it as it is; in several processes where it has devices."""
    end_with_parent()
    if (finished := read_if_done(out)) is not None:
        console.print(f"already finished: {finished.folder}", markup=False, highlight=False)
        return
    from ....engine.records.run_folder import clear_unfinished_start, has_checkpoints
    from ....engine.train.session import execute, execute_unfinished

    if plan.runtime.devices == 1:
        execute_unfinished(plan, console, out)
    elif "WORLD_SIZE" in os.environ:
        execute(plan, console, out=out, resume=has_checkpoints(out))
    else:
        from ....engine.runtime.launch import launch

        if not has_checkpoints(out) and (out / "plan.json").is_file():
            clear_unfinished_start(out)
        launch(plan.runtime.devices)


def _command(request: Request, plan: Plan, folder: Path) -> list[str]:
    """The command that carries out one run of the study."""
    words = command_of("run", replace(request, demo=plan.recipe.demo, out=folder))
    return [*words, "--member", plan.recipe.title]


def _look(plan: Plan, run: Path) -> Look:
    """How far a run is, by the files that it has written."""
    epochs = plan.loop.epochs
    try:
        if (finished := read_if_done(run)) is not None:
            return Look(epochs, epochs, "" if finished.score is None else f"{finished.monitor} {finished.score:.4f}")
        rows, _ = read_rows(run / "metrics.jsonl")
    except (InputError, OSError):  # being written just now
        return Look(0, epochs, "")
    if not rows:
        return Look(0, epochs, f"epoch 1 of {epochs}")
    scores = [name for name in rows[-1] if name not in _NO_SCORES]
    name = next((each for each in scores if "loss" not in each and "/" not in each), scores[0] if scores else "")
    score = f"  {name} {rows[-1][name]:.4f}" if name else ""
    return Look(len(rows), epochs, f"epoch {min(len(rows) + 1, epochs)} of {epochs}{score}")


def _failure(job: Job, outcomes: Mapping[str, Outcome]) -> Exception:
    outcome = outcomes[job.name]
    if outcome.state is State.SKIPPED:
        bad = [need for need in job.needs if need in outcomes and outcomes[need].state is not State.DONE]
        return Hw1Error(f"needs {', '.join(bad)}, which failed")
    reason = f"{outcome}: {_last_words(job.log)}"
    if outcome.code == PLUGIN_FAILED:
        return PluginError(job.name, reason)
    return InputError.of(job.name, reason) if outcome.code == WRONG_INPUT else Hw1Error(reason)


def _last_words(log: Path) -> str:
    """The error at the end of a log, else its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    lines = [line for line in lines if line.strip() and not line.strip().startswith("hint:")]
    error = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), None)
    return error or (lines[-1].strip() if lines else f"nothing in {log}")
