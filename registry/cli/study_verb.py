"""A study carried out: its runs one after the other, what is finished not again, and a table at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from .. import files
from ..errors import Hw1Error, InputError, PluginError, StoppedBySignal
from ..results.statistics import Result, Setting, compare
from .planning import PlannedRun, Request
from .tables import settings_table

#: What a failed run is called in the study's summary.
_FAILED = "failed"


def carry_out(runs: Sequence[PlannedRun], request: Request) -> None:
    """Train every run that is not finished yet, in an order in which each finds what it needs.

    Raises:
        StoppedBySignal: the same command goes on.
        InputError: a run's folder holds another run, or something else was found wrong by the first run.
        PluginError, Hw1Error: runs failed; those that do not need them were carried out all the same.
    """
    folder = _folder(runs, request)
    console = Console()
    _refuse_others(runs, folder)
    failures: dict[str, Exception] = {}
    for number, run in enumerate(runs, 1):
        assert run.member is not None
        missing = [need for need in run.member.needs if need in failures]
        console.rule(f"[bold]{escape(run.member.name)}[/]  run {number} of {len(runs)}", align="left")
        if missing:
            failures[run.member.name] = Hw1Error(f"needs {', '.join(missing)}, which failed")
            console.print(f"left out: it needs {', '.join(missing)}, which failed", style="yellow")
            continue
        try:
            _one(run, folder / run.member.name, console)
        except StoppedBySignal as stopped:
            hint = f"the same command goes on; {len(runs) - number + 1} of {len(runs)} runs are left"
            raise StoppedBySignal(stopped.message, hint) from stopped
        except Hw1Error as error:
            failures[run.member.name] = error
            console.print(f"{run.member.name} failed: {error}", style="red", markup=False)
    _conclude(runs, folder, console)
    if failures:
        _raise_for(failures)


def _folder(runs: Sequence[PlannedRun], request: Request) -> Path:
    return request.out or Path("runs") / request.recipe.stem / ("demo" if runs[0].plan.recipe.demo else "study")


def _one(run: PlannedRun, out: Path, console: Console) -> None:
    """Start a run, go on with it, or leave it as it is."""
    from .run_verb import train

    if _status(out) == "done":
        console.print(f"done before: {out}", markup=False, highlight=False)
        return
    resume = (out / "checkpoints" / "last.pt").is_file()
    if not resume and (out / "plan.json").is_file():
        from ..engine.records.run_folder import clear_unfinished_start

        clear_unfinished_start(out)
    train(run.plan, out, resume=resume)


def _status(out: Path) -> str | None:
    summary = out / "summary.json"
    return json.loads(summary.read_text(encoding="utf-8"))["status"] if summary.is_file() else None


def _refuse_others(runs: Sequence[PlannedRun], folder: Path) -> None:
    """Every run that is in the folder already has to be the one that the recipe means now."""
    started = [run for run in runs if run.member and (folder / run.member.name / "plan.json").is_file()]
    if not started:
        return
    from ..engine.records.run_folder import RunFolder
    from ..engine.train.demo import pointed_at_made_data
    from ..engine.train.resume import differences

    problems = []
    for run in started:
        assert run.member is not None
        try:
            differences(pointed_at_made_data(run.plan), RunFolder(folder / run.member.name))
        except InputError as error:
            first = error.problems[0]
            hint = f"name another folder with --out, or delete {folder / run.member.name} to do it again"
            problems.append(type(first)(f"{run.member.name}: {first.path}", first.message, hint))
    if problems:
        raise InputError(problems)


def _conclude(runs: Sequence[PlannedRun], folder: Path, console: Console) -> None:
    """Write and show what the runs come to."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for run in runs:
        assert run.member is not None
        if _status(folder / run.member.name) != "done":
            continue
        summary: dict[str, Any] = json.loads((folder / run.member.name / "summary.json").read_text(encoding="utf-8"))
        monitor = summary["monitor"]
        if monitor in summary["best"]:
            result = Result(run.member.name, summary["best"][monitor], summary["evaluation_images"], summary["seed"])
            grouped.setdefault((monitor, run.member.setting), []).append(result)
    tables = {}
    for monitor in dict.fromkeys(monitor for monitor, _ in grouped):
        settings = [Setting(name, monitor, tuple(found)) for (of, name), found in grouped.items() if of == monitor]
        tables[monitor] = compare(settings)
        settings_table(console, monitor, tables[monitor])
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "study.json", tables)
    console.print(f"runs and study.json: {folder}", markup=False, highlight=False)


def _raise_for(failures: dict[str, Exception]) -> None:
    said = "; ".join(f"{name}: {error}" for name, error in failures.items())
    plugin = next((error for error in failures.values() if isinstance(error, PluginError)), None)
    if plugin is not None:
        raise PluginError(plugin.source, plugin.reason, plugin.hint) from plugin
    only = list(failures.values())
    if all(isinstance(error, InputError) for error in only) and len(only) == 1:
        raise only[0]
    raise Hw1Error(f"{len(failures)} run(s) of the study failed: {said}")
