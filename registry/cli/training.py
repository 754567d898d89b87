"""``run`` and ``check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..errors import DONE, PLUGIN_FAILED, WRONG_INPUT, InputError, PluginError
from .errors import print_problems
from .options import DEBUG, JSON, RECIPE, request_options


@click.command()
@RECIPE
@request_options
@click.option("--out", type=click.Path(path_type=Path), help="The run folder (default: runs/RECIPE/DATE).")
@click.option("--resume", is_flag=True, help="Go on with the run in --out where it was stopped.")
@DEBUG
def run(
    recipe: Path, sets: tuple[str, ...], unsets: tuple[str, ...], demo: bool, out: Path | None, resume: bool
) -> None:
    """Train what RECIPE says.

    Everything is checked first; a recipe with a fault writes nothing. Where the recipe's own data are not there, its
    demo runs instead and says so. A recipe of several runs does those that are not finished yet, in runs/RECIPE/study.

    \b
    Examples:
      hw1cli run recipes/seg_deeplab_focal.yaml
      hw1cli run recipes/seg_camvid.yaml --set trainer.epochs=5 --set seed=1
      hw1cli run my.yaml --set 'reports+={use: mask_stages, images: 2}' --unset augment.train.0
      hw1cli run my.yaml --out runs/mine --resume
    """
    from .planning import Request
    from .run_verb import run as run_recipe

    if resume and out is None:
        raise click.UsageError("--resume needs --out FOLDER, the run to go on with")
    run_recipe(Request(recipe, sets, unsets, demo, out), resume=resume)


@click.command()
@RECIPE
@request_options
@JSON
@DEBUG
def check(recipe: Path, sets: tuple[str, ...], unsets: tuple[str, ...], demo: bool, as_json: bool) -> None:
    """Show every problem of RECIPE at once, without running it.

    \b
    Examples:
      hw1cli check my.yaml
      hw1cli check my.yaml --set model.backbone=timm/resnet18 --json
    """
    from .check_verb import check as problems_of
    from .planning import Request

    code = WRONG_INPUT
    try:
        problems = problems_of(Request(recipe, sets, unsets, demo))
    except PluginError as error:
        if not as_json or error.problem is None:
            raise
        problems, code = [error.problem], PLUGIN_FAILED
    if as_json:
        shown = [
            {key: problem.as_json()[key] for key in ("path", "line", "message", "hint", "file")} for problem in problems
        ]
        click.echo(json.dumps({"ok": not problems, "problems": shown}, indent=2))
    elif problems:
        print_problems(InputError(problems))
    else:
        click.secho(f"{recipe}: no problems", fg="green")
    sys.exit(code if problems else DONE)
