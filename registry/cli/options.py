"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import completion

RECIPE = click.argument("recipe", type=click.Path(path_type=Path), shell_complete=completion.recipe_files)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def _ask_for_traceback(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.find_root().params["debug"] = True


DEBUG = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_ask_for_traceback,
    help="Add the traceback to an error.",
)


def request_options(command: Any) -> Any:
    options = [
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a value: a.b=c, a+=x, a-=x.",
            shell_complete=completion.assignments,
        ),
        click.option(
            "--unset",
            "unsets",
            multiple=True,
            metavar="KEY",
            help="Delete a key, or a list's item by number.",
            shell_complete=completion.present_keys,
        ),
        click.option("--demo", is_flag=True, help="Use the recipe's demo: data made on the spot, small settings."),
    ]
    for option in reversed(options):
        command = option(command)
    return command
