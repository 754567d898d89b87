"""``sweep``: better values for a recipe's search spaces."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import Hw1Error, InputError, StoppedBySignal
from ...signals import end_with_parent
from ..options import EXECUTOR, PATH, SLURM, command_of, takes_request
from ..streams import outlasting

if TYPE_CHECKING:
    from rich.console import Console

    from ...recipe.grammar import SweepSettings
    from ...recipe.plan import Plan
    from ...recipe.request import Request


@click.command()
@takes_request
@click.option("--out", type=PATH, help="The sweep's folder (default: runs/RECIPE/sweep).")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, help="Workers that share the trials.")
@EXECUTOR
@SLURM
@click.option("--worker", is_flag=True, hidden=True)
def sweep(
    request: Request, out: Path | None, jobs: int, executor: str | None, slurm: tuple[str, ...], worker: bool
) -> None:
    """Look for better values of the search spaces in RECIPE.

    A search space stands in a value's place: `lr: {search: log, low: 1e-5, high: 1e-2}`. Each trial is a run in the
    sweep's folder; the first one has the default values. The best recipe is written to best.yaml, and trained with
    other seeds beside the default one. The same command goes on where it was stopped or killed.

    \b
    Examples:
      hw1cli sweep my.yaml
      hw1cli sweep my.yaml --jobs 2 --set sweep.trials=50
      hw1cli sweep my.yaml --jobs 8 --executor slurm --slurm partition=gpu
      hw1cli sweep recipes/cls_sweep.yaml --demo
      hw1cli run runs/my/sweep/best.yaml
    """
    from ...catalog.registry import Registry
    from ...recipe.request import planned_sweep

    plan, settings = planned_sweep(request, Registry())
    folder = out or Path("runs") / plan.recipe.path.stem / ("sweep-demo" if plan.recipe.demo else "sweep")
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise Hw1Error("a sweep needs the package optuna", "pip install 'hw1cli[sweep]'") from None
    if plan.runtime.devices > 1 or (jobs > 1 and ":" in plan.runtime.device):
        hint = "leave runtime.devices out, and runtime.device with --jobs; set CUDA_VISIBLE_DEVICES to choose GPUs"
        raise InputError.of(
            "runtime", "a worker of a sweep trains each of its trials on one GPU, which it is given", hint
        )
    if worker:
        _work(plan, settings, folder)
        return
    from ...jobs import executor_of
    from ...sweep.run import sweep as carry_out
    from ..tables import Console

    console = Console()
    command = [*command_of("sweep", replace(request, demo=plan.recipe.demo, out=folder)), "--worker"]
    with outlasting():
        workers = executor_of(folder / "jobs", executor, jobs, options=slurm)
        found = carry_out(plan, settings, folder, workers, command, console)
        _show(found, folder, console)


def _work(plan: Plan, settings: SweepSettings, folder: Path) -> None:
    """Share the trials of a sweep that another process is in charge of."""
    end_with_parent()
    from ...sweep.run import open_folder
    from ...sweep.worker import work

    open_folder(folder, plan.recipe)
    try:
        work(plan, settings, folder)
    except KeyboardInterrupt as interrupted:
        raise StoppedBySignal(f"stopped by {interrupted}") from None


def _show(found: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Show the best trial, what failed, and the best recipe beside the default one."""
    from ...sweep.display import values
    from ..tables import print_settings

    best, monitor = found["trials"][found["best"]], found["monitor"]
    failed = [trial["number"] for trial in found["trials"] if trial["state"] == "failed"]
    text = f"best: trial {best['number']}, {monitor} {best['score']:.4f} with {values(best)}"
    console.print(text, style="bold", markup=False, highlight=False, soft_wrap=True)
    if failed:
        numbers = ", ".join(map(str, failed))
        console.print(f"failed: trial {numbers}; the reasons are in sweep.json", style="yellow", markup=False)
    for name, reason in found["failures"].items():
        console.print(f"{name} failed: {reason}", style="yellow", markup=False)
    if found["comparison"] is not None:
        print_settings(console, monitor, found["comparison"], heading="recipe, other seeds")
    recipe, page = shlex.quote(str(folder / "best.yaml")), shlex.quote(str(folder))
    console.print(f"train it: hw1cli run {recipe}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"see the search: hw1cli report {page}", markup=False, highlight=False, soft_wrap=True)
