"""``evaluate``, ``predict`` and ``compare``: what finished runs are good for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import DONE, FAILED
from . import completion
from .options import DEBUG, JSON


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path), shell_complete=completion.run_folders)
@click.option("--data", type=click.Path(path_type=Path), help="Another folder of data, in the layout of the run's.")
@click.option("--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Of the data.")
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which weights."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--predictions", type=click.Path(path_type=Path), help="Predicted masks (a folder), or labels (a .csv).")
@click.option("--truth", type=click.Path(path_type=Path), help="True masks, or labels, paired by name.")
@click.option("--images", type=click.Path(path_type=Path), help="Their images, for the sheet of the worst.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Classes and colours as in this run.",
    shell_complete=completion.run_folders,
)
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
@JSON
@DEBUG
@click.pass_context
def evaluate(ctx: click.Context, /, run: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Score a run on its data, or predictions in files against the truth.

    A RUN is evaluated as in its training: same augmentations, precision and scores. Files need no model: masks in
    folders (0013_mask.png pairs with 0013.png, 0013_gt.png or 0013_pred.png), or CSV files with the columns filename
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
    from .evaluate_verb import compare, evaluate_run

    shown: dict[str, Any] = {"out": out, "console": Console(stderr=as_json), "tables": not as_json}
    asked = {name: value for name, value in options.items() if name not in (of_files if run is not None else of_runs)}
    told = compare(**asked, **shown) if run is None else evaluate_run(run, **asked, **shown)
    if as_json:
        click.echo(json.dumps(told, indent=2, default=str))


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path), shell_complete=completion.run_folders)
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
@JSON
@DEBUG
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
    from .predict_verb import predict as predict_images

    told = predict_images(run, inputs, quiet=as_json, **options)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    sys.exit(FAILED if told["failed"] else DONE)


@click.command()
@click.argument(
    "runs",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=completion.run_folders,
)
@click.option("--figure", type=click.Path(path_type=Path), metavar="PNG", help="Draw the monitored scores by epoch.")
@JSON
@DEBUG
def compare(runs: tuple[Path, ...], figure: Path | None, as_json: bool) -> None:
    """Hold runs against one another: their scores, and everything in which they differ.

    RUN is a run folder, or a folder that holds some. Shown are the best scores, which differences are more than noise
    (runs that differ in their seed alone count as one setting), and the settings, machine, libraries and code that
    differ.

    \b
    Examples:
      hw1cli compare runs/cls_resnet18/2026-01-31_12-00-00 runs/mine
      hw1cli compare runs/ssl_settings/study --figure settings.png
      hw1cli compare runs --json
    """
    from .compare_verb import compare as compare_runs

    told = compare_runs(runs, figure)
    if as_json:
        click.echo(json.dumps(told, indent=2, default=str))
        return
    from rich.console import Console

    from .contrast_tables import contrast_tables

    contrast_tables(Console(), told)
