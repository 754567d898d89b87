"""``evaluate``: scores, tables and figures of a run, or of predictions in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .. import completion
from ..options import (
    CHECKPOINT,
    DEVICE,
    FORCE,
    JSON,
    PATH,
    print_json,
    refuse_to_overwrite,
    require_existing,
    unused_folder,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


#: Classes in a table; all of them are in the files.
_MOST_CLASSES: Final = 60
#: Options that go with --predictions and --truth alone, and those that go with a RUN alone.
_OF_FILES: Final = ("predictions", "truth", "images", "like", "classes", "ignore", "allow_missing", "separator")
_OF_RUNS: Final = ("data", "split", "checkpoint", "device")


@click.command()
@click.argument("run", required=False, type=PATH, shell_complete=completion.run_folders)
@click.option("--data", type=PATH, help="Another folder of data, in the layout of the run's.")
@click.option("--split", type=click.Choice(["val", "train"]), default="val", help="The split to evaluate.")
@CHECKPOINT
@DEVICE
@click.option("--predictions", type=PATH, help="Predicted masks (a folder), or labels (a .csv).")
@click.option("--truth", type=PATH, help="True masks, or labels; paired with the predictions by name.")
@click.option("--images", type=PATH, help="The folder of their images, for the sheet of the worst.")
@click.option(
    "--like", type=PATH, metavar="RUN", help="Take classes and colours of RUN.", shell_complete=completion.run_folders
)
@click.option("--classes", metavar="NAMES", help="The classes: urban,water or urban=#00ffff,water=#0000ff.")
@click.option("--ignore", metavar="LABEL", help="What is ignored: a class, a mask's value, or a colour as #rrggbb.")
@click.option("--separator", metavar="TEXT", help="Images have several labels, with this between them in a cell: ';'.")
@click.option("--allow-missing", is_flag=True, help="Leave images without a prediction out of the scores.")
@click.option(
    "--ignored-pixels",
    type=click.Choice(["leave_out", "count_against"]),
    help="Whether a class predicted on an ignored pixel counts against it (default: as the run does, or leave_out).",
)
@click.option("--worst", type=click.IntRange(0, 60), default=12, help="Images on the sheet.")
@click.option(
    "--out",
    type=PATH,
    help="The folder to write (default: RUN/evaluation/SPLIT; without a RUN evaluation/PREDICTIONS'-NAME, numbered "
    "where that exists).",
)
@FORCE
@JSON
@click.pass_context
def evaluate(
    ctx: click.Context, /, run: Path | None, out: Path | None, force: bool, as_json: bool, **options: Any
) -> None:
    """Evaluate a run on its data, or predictions in files against the truth.

    A RUN is evaluated as in its training: same augmentations, precision and scores. Files need no model: masks in
    folders (0013_mask.png is paired with 0013.png, 0013_gt.png or 0013_pred.png), or CSV files with the columns
    filename and label. The files written are scores.json, per_image.csv, the confusion matrix as a figure and a table,
    and worst.png.

    \b
    Examples:
      hw1cli evaluate runs/seg_camvid/2026-01-31_12-00-00
      hw1cli evaluate runs/mine --data data/other --split train --json
      hw1cli evaluate --predictions out/masks --truth data/p3_data/validation --like runs/mine
      hw1cli evaluate --predictions out --truth masks --ignore 255 --ignored-pixels count_against
      hw1cli evaluate --predictions pred.csv --truth val.csv --images data/val
      hw1cli evaluate --predictions labels.csv --truth val.csv --separator ';'
    """
    _require_options_of_one_kind(ctx, run, options)
    if out is not None:
        refuse_to_overwrite(out, force)
    if run is not None:
        require_existing(run)
    from rich.console import Console

    from ...engine.evaluate.report import require_writable, write

    console = Console(stderr=as_json)
    if run is None:
        folder = out or unused_folder("evaluation", options["predictions"].resolve().stem)
    else:
        data, chosen = options["data"], [each for each in [options["checkpoint"]] if each != "best"]
        name = "-".join([options["split"], *([data.resolve().name] if data else []), *chosen])
        folder = out or (unused_folder("evaluation", run.stem) if run.is_file() else run / "evaluation" / name)
        if out is None and run.is_dir():
            from ...engine.records.run_folder import refuse_links  # imports torch

            refuse_links(run)
    require_writable(folder)
    if run is not None:
        from ...engine.evaluate.run import RunQuestion, evaluate_run

        question = {name: value for name, value in options.items() if name not in _OF_FILES}
        found = evaluate_run(RunQuestion(run, **question), console)
    else:
        from ...engine.evaluate.files import Question, compare

        question = {name: value for name, value in options.items() if name not in _OF_RUNS}
        found = compare(Question(**_with_classes(**question)), console)
    files, scores = write(found, folder), found.as_json()
    if as_json:
        print_json({**scores, "files": [str(file) for file in files]})
    else:
        _print(found.title, scores, console)
        names = ", ".join(file.name for file in files)
        console.print(f"written to {folder}: {names}", soft_wrap=True, markup=False, highlight=False)


def _require_options_of_one_kind(ctx: click.Context, run: Path | None, options: Mapping[str, Any]) -> None:
    predictions, truth = options["predictions"], options["truth"]
    if (run is None) == (predictions is None) or (predictions is None) != (truth is None):
        raise click.UsageError("expected a RUN, or both --predictions and --truth")
    what, others = ("--predictions", _OF_RUNS) if run is None else ("a RUN", _OF_FILES)
    for name in sorted(others):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot be combined with {what}")
    if options["like"] is not None and options["classes"] is not None:
        raise click.UsageError("--like and --classes contradict each other: both name the classes")
    if options["ignore"] is not None and options["separator"] is not None:
        raise click.UsageError("--ignore cannot be combined with --separator")


def _with_classes(like: Path | None, classes: str | None, ignored_pixels: Any, **options: Any) -> dict[str, Any]:
    """The attributes of a ``Question``, with the classes and the rule for ignored pixels of the run ``like``."""
    from ...engine.data.classes import parse_classes
    from ...engine.evaluate.files import known_from_run

    if like is not None:
        known, against = known_from_run(like, ignored_pixels)
        return {**options, "known": known, "count_against": against}
    given = parse_classes(classes) if classes is not None else None
    return {**options, "known": given, "count_against": ignored_pixels == "count_against"}


# --- for readers ------------------------------------------------------------------------------


def _print(title: str, scores: Mapping[str, Any], console: Console) -> None:
    from ..tables import Text, plural, table_of

    console.print(Text(f"{title}: {plural(scores['images'], 'image')}", style="bold"), soft_wrap=True)
    table = table_of("score", "value>")
    for name, value in scores["scores"].items():
        if "/" not in name or name.startswith("constant/"):
            table.add_row(Text(name), _number(value))
    console.print(table)
    if scores["kind"] is not None:
        console.print(_by_class(scores))
    for note in scores["notes"]:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def _by_class(scores: Mapping[str, Any]) -> Table:
    from ..tables import Text, table_of

    masks, ignored = scores["kind"] == "masks", scores["ignored"]
    columns = {"IoU": "iou", "Dice": "dice"} if masks else {"F1": "dice"}
    columns |= {"precision": "precision", "recall": "recall"}
    table = table_of("class", *(f"{heading}>" for heading in columns), "share of pixels>" if masks else "images>")
    # An ignored class whose pixels are left out has no figures to show.
    classes = {
        name: own
        for name, own in scores["classes"].items()
        if name != ignored or (own["truth"] and scores["ignored_pixels"] == "count_against")
    }
    total = max(sum(own["truth"] for own in classes.values()), 1)
    for name, own in list(classes.items())[:_MOST_CLASSES]:
        label = Text(name if own["in_mean"] else f"{name} (not in the means)", style="" if own["in_mean"] else "dim")
        size = f"{own['truth'] / total:.1%}" if masks else str(own["truth"])
        table.add_row(label, *(_number(own[key]) for key in columns.values()), size)
    if len(classes) > _MOST_CLASSES:
        table.caption = f"and {len(classes) - _MOST_CLASSES} more classes, in scores.json"
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
