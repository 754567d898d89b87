"""A sweep from its start, or from where it was stopped, to the comparison of the best recipe with the default one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from .. import files
from ..errors import DONE, FAILED, PLUGIN_FAILED, STOPPED, WRONG_INPUT, Hw1Error, InputError, StoppedBySignal
from ..jobs import Executor, Job
from ..recipe.dump import dump
from ..recipe.grammar import SweepSettings
from ..recipe.load import Recipe
from ..recipe.plan import Plan
from ..signals import held
from .display import Display
from .outcome import outcome, write
from .trials import Trials

#: Seconds between two looks at the trials.
_EVERY: Final = 0.5
#: Workers that may die one after the other without a trial that ends.
_MOST_DEATHS: Final = 10


def sweep(
    plan: Plan, settings: SweepSettings, folder: Path, executor: Executor, command: Sequence[str], terminal: Console
) -> dict[str, Any]:
    """Carry out what is left of a sweep.

    Args:
        plan: of a recipe with search spaces, at their default values.
        settings: of the sweep.
        folder: where it is, or will be.
        executor: of the workers that share it, as many as it has room for.
        command: of each of these; it calls ``worker.work``.
        terminal: where progress is shown.

    Returns:
        See ``outcome``.

    Raises:
        InputError: the folder holds something else.
        StoppedBySignal: the same command goes on.
        Hw1Error: no trial succeeded, or workers end for another reason than their trials.
    """
    open_folder(folder, plan.recipe)
    trials = Trials(folder, plan.recipe, settings, plan.loop.epochs)
    found = outcome(trials)
    shown = {trial["number"] for trial in found["trials"] if trial["state"] != "running"}
    if shown:
        terminal.print(f"{len(shown)} of {settings.trials} trials have ended in an earlier call", highlight=False)
    terminal.print(f"sweep in {folder}", markup=False, highlight=False, soft_wrap=True)
    try:
        names = [f"worker_{number}" for number in range(1, executor.room() + 1)]
        with Display(terminal, folder, len(names), shown) as display:
            workers = [Job(name, command, folder / "logs" / f"{name}.txt") for name in names]
            _follow(workers, executor, trials, display)
            found = outcome(trials)
            display.update(found)
        write(trials, found)
    except KeyboardInterrupt as interrupted:
        write(trials, outcome(trials))
        hint = "the same command goes on"
        raise StoppedBySignal(f"stopped by {interrupted}; the runs at hand are saved", hint) from None
    if found["best"] is None:
        reasons = [f"trial {trial['number']}: {trial['reason']}" for trial in found["trials"] if trial["reason"]]
        hint = f"fix it, and choose another folder with --out, or delete {folder}"
        raise Hw1Error(f"no trial succeeded; {'; '.join(reasons[:3])}", hint)
    return found


def _follow(workers: Sequence[Job], executor: Executor, trials: Trials, display: Display) -> None:
    """Show progress until nothing is left to do, which is when a worker ends; start those that die again."""
    at_work = {worker.name: worker for worker in workers}
    deaths, ended = 0, -1
    try:
        with held():
            executor.start(workers)
        while len(at_work) == len(workers):
            time.sleep(_EVERY)
            with held():
                for name, code in executor.ended().items():
                    worker = at_work.pop(name)
                    if code in (FAILED, WRONG_INPUT, PLUGIN_FAILED):
                        lines = worker.log.read_text(encoding="utf-8", errors="replace").splitlines()
                        last = next((line for line in reversed(lines) if not line.strip().startswith("hint:")), "")
                        raise Hw1Error(
                            f"a worker failed: {last.strip()}", f"see {worker.log}; the same command goes on"
                        )
                    if code != DONE:
                        deaths += 1
                        if deaths > _MOST_DEATHS:
                            raise Hw1Error(f"{deaths} workers died without a trial that ended", f"see {worker.log}")
                        how = "was asked to stop" if code == STOPPED else f"died (exit code {code})"
                        display.terminal.print(f"a worker {how}; another one goes on with its run", style="yellow")
                        executor.start([worker])
                        at_work[name] = worker
            found = outcome(trials)
            display.update(found)
            now = sum(trial["state"] != "running" for trial in found["trials"])
            if now != ended:
                deaths, ended = 0, now
                write(trials, found)
    finally:
        _stop(executor, set(at_work))  # also those that wait for a machine


def _stop(executor: Executor, at_work: set[str]) -> None:
    """Ask workers to stop, and wait until they have; a signal meanwhile asks them more urgently."""
    while at_work:
        try:
            with held():
                executor.stop()
            while at_work:
                with held():
                    at_work -= executor.ended().keys()
                time.sleep(0.1)
        except KeyboardInterrupt:
            continue


def open_folder(folder: Path, recipe: Recipe) -> None:
    """Create the folder, or see that it holds this sweep.

    Raises:
        InputError: it holds something else.
    """
    text, path = dump((recipe.searched or recipe.root).plain()), folder / "recipe.yaml"
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not path.is_file())):
        raise InputError.of(str(folder), "holds something else than a sweep", "name another folder with --out")
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        hint = f"name another folder with --out, or delete {folder}; sweep: settings may change"
        raise InputError.of(str(folder), f"holds a sweep of another recipe, {path}", hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            files.write_text(path, text)
    except OSError as error:
        raise InputError.of(str(folder), f"cannot be written: {error}", "name another folder with --out") from error
