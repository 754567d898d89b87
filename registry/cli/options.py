"""Options and arguments that several commands take, and how a command prints JSON."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import RUN_HINT, InputError, did_you_mean
from . import completion

if TYPE_CHECKING:
    from ..recipe.request import Request

PATH: Final[click.Path] = click.Path(path_type=Path)

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Checkpoint(click.ParamType):  # type: ignore[type-arg] # generic in click 8.3 alone
    """``best``, ``last``, ``previous``, or the number of an epoch that was kept."""

    name = "checkpoint"
    words: Final = ("best", "last", "previous")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.words and not value.isdecimal():
            message = f"expected {', '.join(self.words)} or the number of an epoch, got {value!r}"
            hint = did_you_mean(value, self.words)
            self.fail(f"{message}; {hint}" if hint else message, param, ctx)
        return value


CHECKPOINT = click.option(
    "--checkpoint",
    type=Checkpoint(),
    default="best",
    help="The weights to use: best, last, previous, or an epoch that was kept.",
)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    help="Where to compute; auto takes a GPU if there is one.",
)
EXECUTOR = click.option(
    "--executor",
    type=click.Choice(["local", "slurm"]),
    help="Jobs of submitit (hw1cli[slurm]) in place of processes: of SLURM, or of this machine.",
)
SLURM = click.option(
    "--slurm", multiple=True, metavar="KEY=VALUE", help="An option of SLURM: partition=gpu, time=240, ..."
)
FORCE = click.option("--force", is_flag=True, help="Overwrite files that --out holds.")
_REQUEST: Final = (
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
        help="Delete a key, or an item of a list by its number.",
        shell_complete=completion.present_keys,
    ),
    click.option("--demo", is_flag=True, help="Run the recipe's demo: generated data, small settings."),
)


def takes_request(command: Callable[..., Any], *, or_from: bool = False) -> Callable[..., Any]:
    """RECIPE, ``--set``, ``--unset`` and ``--demo``, which the command gets as a ``Request``.

    ``or_from`` is for a command with ``--from RUN``: it may be given the run in the recipe's place.
    """

    @functools.wraps(command)
    def with_request(
        recipe: Path | None, sets: tuple[str, ...], unsets: tuple[str, ...], demo: bool, **others: Any
    ) -> Any:
        from ..recipe.request import Request

        run = others.get("origin")
        if recipe is not None and run is not None:
            raise click.UsageError("RECIPE and --from RUN exclude each other: the recipe is that of the run")
        if recipe is None:
            if run is None:
                raise click.UsageError("Missing argument 'RECIPE', or --from RUN")
            recipe = run / "recipe.yaml"
            if not recipe.is_file():
                raise InputError.of(str(run), "is not a run folder: it has no recipe.yaml", RUN_HINT)

        return command(Request(recipe, sets, unsets, demo), **others)

    recipe = click.argument("recipe", type=PATH, required=not or_from, shell_complete=completion.recipe_files)
    options = (recipe, *_REQUEST)
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), with_request)


def command_of(name: str, request: Request) -> list[str]:
    """The command line of a request, for another process."""
    words = [sys.executable, "-m", "hw1cli", name, str(request.recipe)]
    words += [word for each in request.sets for word in ("--set", each)]
    words += [word for each in request.unsets for word in ("--unset", each)]
    words += ["--demo"] if request.demo else []
    return [*words, *(["--out", str(request.out)] if request.out is not None else [])]


def refuse_to_overwrite(out: Path, force: bool) -> None:
    """Raise where ``--out`` exists and may hold something of the user's.

    Raises:
        InputError: it is a file, or a folder that is not empty, and ``--force`` is not given.
    """
    if out.exists() and not force and (not out.is_dir() or any(out.iterdir())):
        holds = "holds files" if out.is_dir() else "exists"
        raise InputError.of(str(out), f"already {holds}", "name another --out, or overwrite with --force")


def require_existing(run: Path) -> None:
    """Raise where nothing is at RUN, before torch is imported to look closer.

    Raises:
        InputError: it does not exist.
    """
    if not run.exists() and not any(run.parent.glob(run.name)):  # a pattern of the folds of a study
        raise InputError.of(str(run), "does not exist", RUN_HINT)


def print_json(value: Any) -> None:
    """Print a value for programs; what JSON does not know, such as a path, as text."""
    click.echo(json.dumps(value, indent=2, default=str))


def unused_folder(parent: str, name: str) -> Path:
    """``parent/name``, or the first of ``parent/name-2``, ``-3``, ... that does not exist: nothing is overwritten."""
    first = Path(parent) / (name or "data")
    numbered = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return first if not first.exists() else next(path for path in numbered if not path.exists())
