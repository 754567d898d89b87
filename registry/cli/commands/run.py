"""``run`` and ``check``: train a recipe, or all the runs of a study, or only show its problems."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ...errors import DONE, PLUGIN_FAILED, WRONG_INPUT, InputError, PluginError, StoppedBySignal
from .. import completion
from ..errors import print_problems
from ..options import EXECUTOR, JSON, PATH, SLURM, Checkpoint, print_json, takes_request
from ..streams import outlasting

if TYPE_CHECKING:
    from ...recipe.plan import Plan
    from ...recipe.request import Request
    from .study.parallel import Parallel

#: Runs of a study that SLURM gets at a time, unless --jobs gives another number.
_MOST_JOBS: Final = 100


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
@click.option("--jobs", type=click.IntRange(1), help="Runs of a study at a time, each in a process of its own.")
@EXECUTOR
@SLURM
@click.option("--member", hidden=True)
def run(
    request: Request,
    out: Path | None,
    resume: bool,
    origin: Path | None,
    checkpoint: str,
    profile: bool,
    devices: int | None,
    jobs: int | None,
    executor: str | None,
    slurm: tuple[str, ...],
    member: str | None,
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
      hw1cli run study.yaml --jobs 4
      hw1cli run study.yaml --executor slurm --slurm partition=gpu --slurm cpus_per_task=8
    """
    if resume and (out is None or origin is not None):
        raise click.UsageError("--resume needs --out FOLDER, the run to continue, and goes without --from")
    sets = [*request.sets, *(["runtime.profile=true"] if profile else [])]
    sets += [f"runtime.devices={devices}"] if devices is not None else []
    start = None if origin is None else (origin, checkpoint)
    request = replace(request, out=out, sets=sets)
    with outlasting():
        if member is not None:
            _train_member(request, member)
        elif jobs is not None or executor is not None:
            from .study.parallel import Parallel

            number = jobs or (_MOST_JOBS if executor == "slurm" else 1)
            run_recipe(request, parallel=Parallel(request, number, executor, slurm))
        else:
            run_recipe(request, resume=resume, start=start)


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


def run_recipe(
    request: Request,
    *,
    resume: bool = False,
    start: tuple[Path, str] | None = None,
    parallel: Parallel | None = None,
) -> None:
    """Check everything, then train; see ``registry.engine.train.session.execute`` for what it raises."""
    from ...catalog.registry import Registry
    from ...recipe.request import planned_runs

    plans = planned_runs(request, Registry())
    devices = max(plan.runtime.devices for plan in plans)
    if plans[0].recipe.title:
        from .study.parallel import Parallel
        from .study.runs import run_study

        if parallel is None and devices > 1:  # the processes of one run are started by a process of its own
            parallel = Parallel(request)
        name = "demo" if plans[0].recipe.demo else "study"
        try:
            run_study(plans, request.out or Path("runs") / request.recipe.stem / name, parallel)
        except KeyboardInterrupt as interrupted:  # between its runs, or while one is prepared
            hint = "the same command continues; finished runs are skipped"
            raise StoppedBySignal(f"stopped by {interrupted} between two runs or while preparing one", hint) from None
    elif parallel is not None:
        hint = "a recipe with runs:, matrix:, repeat: or split.folds has several"
        raise InputError.of("--jobs" if parallel.executor is None else "--executor", "is of the runs of a study", hint)
    elif devices > 1 and "WORLD_SIZE" not in os.environ:
        from ...engine.runtime.launch import launch

        launch(devices)
    else:
        _train(plans[0], request.out, resume=resume, start=start)


def _train_member(request: Request, name: str) -> None:
    """Carry out the run of a study that another process asks for."""
    from rich.console import Console

    from ...catalog.registry import Registry
    from ...recipe.request import planned_runs
    from .study.parallel import train_member

    plan = next(plan for plan in planned_runs(request, Registry()) if plan.recipe.title == name)
    if request.out is None:
        raise click.UsageError("--member needs --out")
    train_member(plan, request.out / name, Console())


def _train(plan: Plan, out: Path | None, *, resume: bool, start: tuple[Path, str] | None = None) -> None:
    if missing := plan.missing():
        raise InputError(missing)
    # Nothing heavy is imported before this line.
    from rich.console import Console

    from ...engine.train.session import execute

    execute(plan, Console(), out=out, resume=resume, start=start)
