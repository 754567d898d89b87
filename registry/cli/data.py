"""``data make`` and ``data inspect``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from . import completion
from .options import DEBUG, JSON


@click.group()
def data() -> None:
    """Make data on the spot, and look at data that are there."""


@data.command("make")
@click.argument("name", shell_complete=completion.maker_names)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write; must be new or empty."
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change an argument of the generator.",
    shell_complete=completion.maker_assignments,
)
@DEBUG
def data_make(name: str, out: Path, sets: tuple[str, ...]) -> None:
    """Write the data set NAME, made on the spot, into a folder.

    \b
    Examples:
      hw1cli data make landcover --out data/p3_data
      hw1cli data make digits --out data/digits
      hw1cli data make landcover --out /tmp/scenes --set size=512 --set train=200
    """
    from .data_verb import make_data
    from .tables import facts

    facts(f"{name} in {out}", make_data(name, out, sets))


@data.command("inspect")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where samples are drawn, as a PNG (default: ROOT's name with _samples.png, here).",
)
@click.option("--no-sheet", is_flag=True, help="Draw no samples.")
@JSON
@DEBUG
def data_inspect(root: Path, sheet: Path | None, no_sheet: bool, as_json: bool) -> None:
    """Look at a folder of data: layout, sizes, classes and their shares, what is wrong, and the recipe's data: block.

    Samples of each class, or images with their masks, are drawn on a sheet; one that is there is overwritten.

    \b
    Examples:
      hw1cli data inspect data/p3_data
      hw1cli data inspect data/p1_data --sheet p1.png
      hw1cli data inspect data/camvid --no-sheet --json
    """
    from .data_verb import default_sheet, inspect_data
    from .tables import inspection

    if sheet is not None and no_sheet:
        raise click.UsageError("--sheet and --no-sheet contradict each other")
    told = inspect_data(root, None if no_sheet else sheet or default_sheet(root))
    click.echo(json.dumps(told, indent=2, default=str)) if as_json else inspection(told)
