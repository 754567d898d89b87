"""The command line of hw1cli: parses words, calls one function a verb, prints what it answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from registry.problems import (
    DONE,
    FAILED,
    PLUGIN_FAILED,
    WRONG_INPUT,
    Hw1Error,
    InputError,
    PluginError,
    StoppedBySignal,
)

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_RECIPE = click.argument("recipe", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class _Face(click.Group):
    """Shows an error as one readable block and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Hw1Error, OSError) as error:
            _end(error, ctx.params.get("debug", False))
        except KeyboardInterrupt:
            click.secho("interrupted", fg="red", err=True)
            sys.exit(FAILED)
        except click.ClickException:
            raise
        except Exception as error:
            if isinstance(error, click.exceptions.Exit):
                raise
            _end(error, ctx.params.get("debug", False))


def _ask_for_traceback(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.find_root().params["debug"] = True


_DEBUG = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_ask_for_traceback,
    help="Add the traceback to an error.",
)


def _end(error: Exception, debug: bool) -> NoReturn:
    """Print an error and leave with its exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        _print_problems(error)
    elif isinstance(error, StoppedBySignal):
        click.secho(str(error), fg="yellow", err=True)
    elif isinstance(error, Hw1Error):
        click.secho(f"error: {error}", fg="red", err=True)
    else:
        click.secho(f"error: {type(error).__name__}: {error}", fg="red", err=True)
        if not debug:
            click.echo("  hint: 'hw1cli --debug ...' shows where", err=True)
    hint = getattr(error, "hint", None)
    if hint:
        click.echo(f"  hint: {hint}", err=True)
    sys.exit(getattr(error, "exit_code", FAILED))


def _print_problems(error: InputError) -> None:
    number = len(error.problems)
    click.secho(f"{number} problem{'s' if number > 1 else ''}:", fg="red", err=True)
    for problem in error.problems:
        where = f"{problem.file}:{problem.line}: " if problem.line else ""
        click.echo(f"  {where}{click.style(problem.path, bold=True)}: {problem.message}", err=True)
        if problem.hint:
            click.echo(f"      hint: {problem.hint}", err=True)


@click.group(cls=_Face, context_settings=_SETTINGS)
@click.option("--debug", is_flag=True, help="Add the traceback to an error.")
@click.version_option(package_name="hw1cli", prog_name="hw1cli")
def main(debug: bool) -> None:
    """Train vision models from YAML recipes, with components from any installed plugin.

    \b
    Examples:
      hw1cli run recipes/seg_deeplab_focal.yaml --demo
      hw1cli run my.yaml --set trainer.epochs=20 --set model.backbone=timm/convnext_tiny
      hw1cli list backbones 'timm/*v2*'
      hw1cli describe smp/deeplabv3
    """


def _request_options(command: Any) -> Any:
    options = [
        click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a value: a.b=c, a+=x, a-=x."),
        click.option(
            "--unset", "unsets", multiple=True, metavar="KEY", help="Delete a key, or a list's item by number."
        ),
        click.option("--demo", is_flag=True, help="Use the recipe's demo: data made on the spot, small settings."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@_RECIPE
@_request_options
@click.option("--out", type=click.Path(path_type=Path), help="The run folder (default: runs/RECIPE/DATE).")
@click.option("--resume", is_flag=True, help="Go on with the run in --out where it was stopped.")
@_DEBUG
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
    from registry.verbs.planning import Request
    from registry.verbs.run import run as run_recipe

    if resume and out is None:
        raise click.UsageError("--resume needs --out FOLDER, the run to go on with")
    run_recipe(Request(recipe, sets, unsets, demo, out), resume=resume)


@main.command()
@_RECIPE
@_request_options
@_JSON
@_DEBUG
def check(recipe: Path, sets: tuple[str, ...], unsets: tuple[str, ...], demo: bool, as_json: bool) -> None:
    """Show every problem of RECIPE at once, without running it.

    \b
    Examples:
      hw1cli check my.yaml
      hw1cli check my.yaml --set model.backbone=timm/resnet18 --json
    """
    from registry.verbs.check import check as problems_of
    from registry.verbs.planning import Request

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
        _print_problems(InputError(problems))
    else:
        click.secho(f"{recipe}: no problems", fg="green")
    sys.exit(code if problems else DONE)


@main.command("list")
@click.argument("kind", required=False)
@click.argument("pattern", required=False)
@click.option("--verify", is_flag=True, help="Load every window too, and show what is broken.")
@_JSON
@_DEBUG
def list_(kind: str | None, pattern: str | None, verify: bool, as_json: bool) -> None:
    """List components: all, of one KIND, or those whose name matches PATTERN.

    \b
    Examples:
      hw1cli list
      hw1cli list losses
      hw1cli list backbones 'timm/*v2*'
      hw1cli list --verify
    """
    from registry.verbs.listing import list_components

    rows = list_components(kind, pattern, verify=verify)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from registry.verbs.tables import component_table

    component_table(rows, verify=verify)


@main.command()
@click.argument("name")
@click.option("--kind", help="Only the component of this kind.")
@_JSON
@_DEBUG
def describe(name: str, kind: str | None, as_json: bool) -> None:
    """Show what a component is, what it takes, and who offers it.

    \b
    Examples:
      hw1cli describe focal
      hw1cli describe smp/deeplabv3
      hw1cli describe timm/resnet50 --kind backbone
    """
    from registry.verbs.listing import describe as described

    found = described(name, kind)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    from registry.verbs.tables import description

    description(found)


@main.group()
def data() -> None:
    """Make data on the spot, and look at data that are there."""


@data.command("make")
@click.argument("name")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write; must be new or empty."
)
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change an argument of the maker.")
@_DEBUG
def data_make(name: str, out: Path, sets: tuple[str, ...]) -> None:
    """Write the data set NAME, made on the spot, into a folder.

    \b
    Examples:
      hw1cli data make landcover --out data/p3_data
      hw1cli data make landcover --out /tmp/scenes --set size=512 --set train=200
    """
    from registry.verbs.data import make_data
    from registry.verbs.tables import facts

    facts(f"{name} in {out}", make_data(name, out, sets))


@data.command("inspect")
@click.argument("root", type=click.Path(path_type=Path))
@_JSON
@_DEBUG
def data_inspect(root: Path, as_json: bool) -> None:
    """Look at a folder of data: layout, sizes, classes and their shares, what is wrong, and the recipe's data: block.

    \b
    Examples:
      hw1cli data inspect data/p3_data
      hw1cli data inspect data/camvid --json
    """
    from registry.verbs.data import inspect_data
    from registry.verbs.tables import inspection

    told = inspect_data(root)
    click.echo(json.dumps(told, indent=2, default=str)) if as_json else inspection(told)


if __name__ == "__main__":
    main(prog_name="hw1cli")
