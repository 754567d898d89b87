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


@main.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Another folder of data, in the layout of the run's.")
@click.option("--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Of the data.")
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which weights."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--predictions", type=click.Path(path_type=Path), help="Predicted masks (a folder), or labels (a .csv).")
@click.option("--truth", type=click.Path(path_type=Path), help="True masks, or labels, paired by name.")
@click.option("--images", type=click.Path(path_type=Path), help="Their images, for the sheet of the worst.")
@click.option("--like", type=click.Path(path_type=Path), metavar="RUN", help="Classes and colours as in this run.")
@click.option("--classes", metavar="NAMES", help="The classes: urban,water or urban=#00ffff,water=#0000ff.")
@click.option("--ignore", metavar="LABEL", help="What does not count: a class, a mask's value, or a colour as #rrggbb.")
@click.option("--allow-missing", is_flag=True, help="Leave out what has no prediction, instead of refusing.")
@click.option(
    "--ignored-pixels",
    type=click.Choice(["leave_out", "count_against"]),
    help="Whether a class predicted on an ignored pixel counts against it (default: as the run does, or leave_out).",
)
@click.option("--worst", type=click.IntRange(0, 60), default=12, show_default=True, help="Images on the sheet.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The folder to write (default: RUN/evaluation/SPLIT, without a RUN evaluation).",
)
@_JSON
@_DEBUG
@click.pass_context
def evaluate(ctx: click.Context, /, run: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Score a run on its data, or predictions in files against the truth.

    A RUN is evaluated as in its training: same augmentations, precision and scores. Files need no model: masks in
    folders (0013_mask.png pairs with 0013.png, 0013_pred.png or 0013_sat.png), or CSV files with the columns filename
    and label. Writes scores.json, per_image.csv, the confusion matrix as a figure and a table, and worst.png.

    \b
    Examples:
      hw1cli evaluate runs/seg_camvid/2026-01-31_12-00-00
      hw1cli evaluate runs/mine --data data/other --split train --json
      hw1cli evaluate --predictions out/masks --truth data/p3_data/validation --like runs/mine
      hw1cli evaluate --predictions out --truth masks --ignore 255 --ignored-pixels count_against
      hw1cli evaluate --predictions pred.csv --truth val.csv --images data/val
    """
    from rich.console import Console

    of_files = ("predictions", "truth", "images", "like", "classes", "ignore", "allow_missing")
    of_runs = ("data", "split", "checkpoint", "device")
    given = {name for name in options if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    if (run is None) == (options["predictions"] is None) or (options["predictions"] is None) != (
        options["truth"] is None
    ):
        raise click.UsageError("name a RUN, or both --predictions and --truth")
    strange = sorted(given & set(of_files if run is not None else of_runs))
    if strange:
        what = "a RUN" if run is not None else "--predictions"
        raise click.UsageError(f"--{strange[0].replace('_', '-')} does not go with {what}")
    if options["like"] is not None and options["classes"] is not None:
        raise click.UsageError("--like and --classes both name the classes")
    from registry.verbs.evaluate import compare, evaluate_run

    shown: dict[str, Any] = {"out": out, "console": Console(stderr=as_json), "tables": not as_json}
    asked = {name: value for name, value in options.items() if name not in (of_files if run is not None else of_runs)}
    told = compare(**asked, **shown) if run is None else evaluate_run(run, **asked, **shown)
    if as_json:
        click.echo(json.dumps(told, indent=2, default=str))


@main.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write; for labels also a csv."
)
@click.option("--images", type=click.Path(path_type=Path), help="The folder of a csv's files (default: the csv's own).")
@click.option("--recursive", is_flag=True, help="Look into the folders' folders too.")
@click.option("--scores", is_flag=True, help="Probabilities too: columns of the csv, or NAME_scores.npy.")
@click.option("--overlay", "overlays", is_flag=True, help="Pictures too: NAME_overlay.jpg, the mask over its image.")
@click.option(
    "--mask-format",
    type=click.Choice(["colors", "index"]),
    default="colors",
    show_default=True,
    help="RGB masks in the classes' colours, or grey masks of labels.",
)
@click.option("--flips", default="", metavar="h,v", help="Average over mirror images: h, v, or h,v.")
@click.option("--scales", default="1", metavar="LIST", help="Average over sizes, such as 0.75,1,1.25.")
@click.option("--tile", type=click.IntRange(32), help="Side of the tiles that larger images are cut into.")
@click.option(
    "--overlap",
    type=click.FloatRange(0, 0.9),
    default=0.25,
    show_default=True,
    help="Least share of a tile that the next one covers too.",
)
@click.option("--batch-size", type=click.IntRange(1), help="Images, or tiles, at once (default: the run's).")
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which weights."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True, help="Where."
)
@_JSON
@_DEBUG
def predict(run: Path, inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Label images, or draw their masks, with the finished run in the folder RUN.

    INPUTS are folders, files, quoted patterns, or one csv with a column filename, image_id, file or image. A mask is
    NAME_mask.png in its image's own size; images larger than those of the training are cut into tiles. What cannot be
    read is listed, and the rest is done (exit code 1).

    \b
    Examples:
      hw1cli predict runs/seg_camvid/DATE photos --out masks --overlay
      hw1cli predict runs/seg_camvid/DATE 'photos/**/*.jpg' --out masks --flips h --scales 0.75,1,1.25
      hw1cli predict runs/cls/DATE photos --out labels.csv --scores
      hw1cli predict runs/cls/DATE test.csv --images photos --out labels.csv
    """
    from registry.verbs.predict import predict as predict_images

    told = predict_images(run, inputs, quiet=as_json, **options)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    sys.exit(FAILED if told["failed"] else DONE)


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
      hw1cli data make digits --out data/digits
      hw1cli data make landcover --out /tmp/scenes --set size=512 --set train=200
    """
    from registry.verbs.data import make_data
    from registry.verbs.tables import facts

    facts(f"{name} in {out}", make_data(name, out, sets))


@data.command("inspect")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where samples are drawn, as a PNG (default: ROOT's name with _samples.png, here).",
)
@click.option("--no-sheet", is_flag=True, help="Draw no samples.")
@_JSON
@_DEBUG
def data_inspect(root: Path, sheet: Path | None, no_sheet: bool, as_json: bool) -> None:
    """Look at a folder of data: layout, sizes, classes and their shares, what is wrong, and the recipe's data: block.

    Samples of each class, or images with their masks, are drawn on a sheet; one that is there is overwritten.

    \b
    Examples:
      hw1cli data inspect data/p3_data
      hw1cli data inspect data/p1_data --sheet p1.png
      hw1cli data inspect data/camvid --no-sheet --json
    """
    from registry.verbs.data import default_sheet, inspect_data
    from registry.verbs.tables import inspection

    if sheet is not None and no_sheet:
        raise click.UsageError("--sheet and --no-sheet contradict each other")
    told = inspect_data(root, None if no_sheet else sheet or default_sheet(root))
    click.echo(json.dumps(told, indent=2, default=str)) if as_json else inspection(told)


if __name__ == "__main__":
    main(prog_name="hw1cli")
