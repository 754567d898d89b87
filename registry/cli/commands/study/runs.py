"""The runs of a study, one after the other or several at a time; finished ones are skipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import Hw1Error, InputError, PluginError, StoppedBySignal

if TYPE_CHECKING:
    from rich.console import Console

    from ....recipe.plan import Plan
    from .parallel import Parallel


def run_study(study: Sequence[Plan], folder: Path, parallel: Parallel | None = None) -> None:
    """Train every run that is not finished yet, each after those that it needs.

    Args:
        study: the plans of its runs.
        folder: of their folders.
        parallel: for runs in processes of their own; None for one after the other in this process.

    Raises:
        StoppedBySignal: the same command continues.
        InputError: a run's folder holds another run, or the only run that failed found something else wrong.
        PluginError, Hw1Error: runs failed; those that do not need them were trained all the same.
    """
    from .... import files
    from ...tables import Console, plural
    from .parallel import run_in_parallel
    from .results import summarize, write_page

    console = Console()
    _refuse_other_runs(study, folder)
    if (page := study[0].recipe.page) is not None:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "page.json", {"sections": page.plain()})
    if parallel is None:
        failures = _one_by_one(study, folder, console)
    else:
        failures = run_in_parallel(study, folder, parallel, console)
    summarize(study, folder, console, failures)
    if page is not None:
        write_page(folder, console)
    errors = list(failures.values())
    for plugin in errors:
        if isinstance(plugin, PluginError):
            raise PluginError(plugin.source, plugin.reason, plugin.hint) from plugin
    wrong = [error for error in errors if isinstance(error, InputError)]
    if wrong and (len(errors) == 1 or len(wrong) == len(study)):  # all folds of data that cannot be divided so
        raise InputError(dict.fromkeys(problem for error in wrong for problem in error.problems))
    if errors:
        reasons = "; ".join(f"{name}: {error}" for name, error in failures.items())
        raise Hw1Error(f"{plural(len(errors), 'run')} of the study failed: {reasons}")


def _one_by_one(study: Sequence[Plan], folder: Path, console: Console) -> dict[str, Exception]:
    """Train the runs in this process; what went wrong, by the run."""
    from rich.text import Text

    failures: dict[str, Exception] = {}
    for number, plan in enumerate(study, 1):
        name = plan.recipe.title
        console.rule(Text.assemble((name, "bold"), f"  run {number} of {len(study)}"), align="left")
        try:
            if missing := [need for need in plan.recipe.needs if need in failures]:
                raise Hw1Error(f"needs {', '.join(missing)}, which failed")
            _train_unfinished(plan, folder / name, console)
        except StoppedBySignal as stopped:
            hint = f"the same command continues; {len(study) - number + 1} of {len(study)} runs are left"
            raise StoppedBySignal(stopped.message, hint) from stopped
        except Exception as error:  # whatever it is, the runs that do not need this one go on
            reason = error if isinstance(error, Hw1Error) else Hw1Error(f"{type(error).__name__}: {error}")
            alike = next((f"as {other} did" for other, each in failures.items() if str(each) == str(reason)), reason)
            failures[name] = reason
            text, color = (f"skipped: it {error}", "yellow") if missing else (f"{name} failed: {alike}", "red")
            console.print(text, style=color, markup=False)
    return failures


def _train_unfinished(plan: Plan, out: Path, console: Console) -> None:
    """Start a run, resume it, or leave it as it is."""
    from ....results.runs import read_if_done

    if (finished := read_if_done(out)) is not None:
        console.print(f"already finished: {finished.folder}", markup=False, highlight=False)
        return
    from ....engine.train.session import execute_unfinished

    execute_unfinished(plan, console, out)


def _refuse_other_runs(study: Sequence[Plan], folder: Path) -> None:
    """Every run that is already in the folder has to be the one that the recipe describes now."""
    if (folder / "plan.json").is_file():
        hint = "name another folder with --out"
        raise InputError.of(str(folder), "holds a run, and those of a study need a folder of their own", hint)
    started = [plan for plan in study if (folder / plan.recipe.title / "plan.json").is_file()]
    if not started:
        return
    from ....engine.records.origin import differences
    from ....engine.records.run_folder import RunFolder
    from ....engine.train.demo import reading_generated_data

    problems = []
    for plan in started:
        name = plan.recipe.title
        try:
            differences(reading_generated_data(plan), RunFolder(folder / name))
        except InputError as error:
            first = error.problems[0]
            hint = f"choose another folder with --out, or delete {folder / name} to train it again"
            problems.append(replace(first, path=f"{name}: {first.path}", hint=hint))
    if problems:
        raise InputError(problems)
