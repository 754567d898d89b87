"""``run`` and ``check``: train a recipe, or all the runs of a study, or only show its problems."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import DONE, PLUGIN_FAILED, WRONG_INPUT, Hw1Error, InputError, PluginError, StoppedBySignal
from .. import completion
from ..errors import print_problems
from ..options import JSON, PATH, Checkpoint, print_json, takes_request
from ..streams import outlasting

if TYPE_CHECKING:
    from rich.console import Console

    from ...recipe.plan import Plan
    from ...recipe.request import Request
    from ...results.statistics import Result


@click.command()
@partial(takes_request, or_from=True)
@click.option("--out", type=PATH, help="The run folder (default: runs/RECIPE/DATE).")
@click.option("--resume", is_flag=True, help="Continue the stopped run in --out.")
@click.option(
    "--from",
    "origin",
    type=PATH,
    metavar="RUN",
    help="In place of RECIPE: a new run of RUN's recipe that starts from RUN's state.",
    shell_complete=completion.run_folders,
)
@click.option(
    "--checkpoint",
    type=Checkpoint(),
    default="last",
    help="Of --from: last, previous, best, or an epoch's number.",
)
@click.option("--profile", is_flag=True, help="Also trace five training steps, for Perfetto or TensorBoard.")
@click.option("--devices", type=click.IntRange(1), help="Processes of this machine that train together (default: 1).")
def run(
    request: Request,
    out: Path | None,
    resume: bool,
    origin: Path | None,
    checkpoint: str,
    profile: bool,
    devices: int | None,
) -> None:
    """Train what RECIPE describes.

    Everything is checked first; a recipe with a problem writes nothing. Where the recipe's own data are missing, its
    demo runs instead, announced by a banner. A recipe of several runs trains those that are not finished yet, in
    runs/RECIPE/study.

    \b
    Examples:
      hw1cli run recipes/seg_deeplab_focal.yaml
      hw1cli run recipes/seg_camvid.yaml --set trainer.epochs=5 --set seed=1
      hw1cli run my.yaml --set 'reports+={use: mask_stages, images: 2}' --unset augment.train.0
      hw1cli run my.yaml --out runs/mine --resume
      hw1cli run --from runs/mine --checkpoint best --set optimizer.lr=1e-5
      hw1cli run my.yaml --devices 2
    """
    if resume and (out is None or origin is not None):
        raise click.UsageError("--resume needs --out FOLDER, the run to continue, and goes without --from")
    sets = [*request.sets, *(["runtime.profile=true"] if profile else [])]
    sets += [f"runtime.devices={devices}"] if devices is not None else []
    start = None if origin is None else (origin, checkpoint)
    with outlasting():
        run_recipe(replace(request, out=out, sets=sets), resume=resume, start=start)


@click.command()
@takes_request
@JSON
def check(request: Request, as_json: bool) -> None:
    """Show every problem of RECIPE at once, without running it.

    Plugins are not built: a network that does not keep its contract, such as one whose maps come from a small part of
    it, is reported by run before the first step, and by 'plugin check DIST --run'.

    \b
    Examples:
      hw1cli check my.yaml
      hw1cli check my.yaml --set model.backbone=timm/resnet18 --json
    """
    from ...catalog.registry import Registry
    from ...recipe.request import every_problem

    code = WRONG_INPUT
    try:
        problems = every_problem(request, Registry())
    except PluginError as error:
        if not as_json or error.problem is None:
            raise
        problems, code = [error.problem], PLUGIN_FAILED
    if as_json:
        print_json({"ok": not problems, "problems": [problem.as_json() for problem in problems]})
    elif problems:
        print_problems(InputError(problems))
    else:
        click.secho(f"{request.recipe}: no problems", fg="green")
    sys.exit(code if problems else DONE)


def run_recipe(request: Request, *, resume: bool = False, start: tuple[Path, str] | None = None) -> None:
    """Check everything, then train; see ``registry.engine.train.session.execute`` for what it raises."""
    from ...catalog.registry import Registry
    from ...recipe.request import planned_runs

    plans = planned_runs(request, Registry())
    devices = plans[0].runtime.devices
    if devices > 1 and plans[0].recipe.title:
        raise InputError.of("runtime.devices", f"is {devices}, and a study trains each of its runs in one process")
    if devices > 1 and "WORLD_SIZE" not in os.environ:
        from ...engine.runtime.launch import launch

        launch(devices)
    elif plans[0].recipe.title:
        name = "demo" if plans[0].recipe.demo else "study"
        try:
            _run_study(plans, request.out or Path("runs") / request.recipe.stem / name)
        except KeyboardInterrupt as interrupted:  # between its runs, or while one is prepared
            hint = "the same command continues; finished runs are skipped"
            raise StoppedBySignal(f"stopped by {interrupted} between two runs or while preparing one", hint) from None
    else:
        _train(plans[0], request.out, resume=resume, start=start)


def _train(plan: Plan, out: Path | None, *, resume: bool, start: tuple[Path, str] | None = None) -> None:
    if missing := plan.missing():
        raise InputError(missing)
    # Nothing heavy is imported before this line.
    from rich.console import Console

    from ...engine.train.session import execute

    execute(plan, Console(), out=out, resume=resume, start=start)


# --- studies: the runs one after the other, finished ones skipped, and a table of their scores ---


def _run_study(study: Sequence[Plan], folder: Path) -> None:
    """Train every run that is not finished yet, each after those that it needs.

    Raises:
        StoppedBySignal: the same command continues.
        InputError: a run's folder holds another run, or the only run that failed found something else wrong.
        PluginError, Hw1Error: runs failed; those that do not need them were trained all the same.
    """
    from ... import files
    from ..tables import Console, Text, plural

    console = Console()
    _refuse_other_runs(study, folder)
    if (page := study[0].recipe.page) is not None:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "page.json", {"sections": page.plain()})
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
            failures[name] = error if isinstance(error, Hw1Error) else Hw1Error(f"{type(error).__name__}: {error}")
            text, color = (f"skipped: it {error}", "yellow") if missing else (f"{name} failed: {failures[name]}", "red")
            console.print(text, style=color, markup=False)
    _summarize(study, folder, console)
    if page is not None:
        _write_page(folder, console)
    errors = list(failures.values())
    for plugin in errors:
        if isinstance(plugin, PluginError):
            raise PluginError(plugin.source, plugin.reason, plugin.hint) from plugin
    if len(errors) == 1 and isinstance(errors[0], InputError):
        raise errors[0]
    if errors:
        reasons = "; ".join(f"{name}: {error}" for name, error in failures.items())
        raise Hw1Error(f"{plural(len(errors), 'run')} of the study failed: {reasons}")


def _write_page(folder: Path, console: Console) -> None:
    """Write the page that the recipe describes; what keeps it from being written does not fail the study."""
    from .report import write_report

    try:
        console.print(f"page: {write_report((folder,))}", markup=False, highlight=False)
    except InputError as error:
        console.print(f"no page: {error}", style="yellow", markup=False)


def _train_unfinished(plan: Plan, out: Path, console: Console) -> None:
    """Start a run, resume it, or leave it as it is."""
    from ...results.runs import read_if_done

    if (finished := read_if_done(out)) is not None:
        console.print(f"already finished: {finished.folder}", markup=False, highlight=False)
        return
    from ...engine.train.session import execute_unfinished

    execute_unfinished(plan, console, out)


def _refuse_other_runs(study: Sequence[Plan], folder: Path) -> None:
    """Every run that is already in the folder has to be the one that the recipe describes now."""
    started = [plan for plan in study if (folder / plan.recipe.title / "plan.json").is_file()]
    if not started:
        return
    from ...engine.records.origin import differences
    from ...engine.records.run_folder import RunFolder
    from ...engine.train.demo import reading_generated_data

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


def _summarize(study: Sequence[Plan], folder: Path, console: Console) -> None:
    """Write and show the scores of the settings, for each monitored score."""
    from ... import files
    from ...results.runs import read_if_done
    from ...results.statistics import Setting, compare
    from ..tables import print_settings

    grouped: dict[str, dict[str, list[Result]]] = {}
    for plan in study:
        finished = read_if_done(folder / plan.recipe.title)
        if finished is not None and (result := finished.result(plan.recipe.title)) is not None:
            grouped.setdefault(finished.monitor, {}).setdefault(plan.recipe.setting, []).append(result)
    comparisons = {}
    for monitor, settings in grouped.items():
        comparisons[monitor] = compare([Setting(name, monitor, tuple(found)) for name, found in settings.items()])
        print_settings(console, monitor, comparisons[monitor])
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "study.json", comparisons)
    console.print(f"runs and study.json: {folder}", markup=False, highlight=False)
