"""An error as one readable block, and its exit code."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from ..errors import FAILED, Hw1Error, InputError, StoppedBySignal


class Face(click.Group):
    """Shows an error as one readable block and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Hw1Error, OSError) as error:
            end(error, ctx.params.get("debug", False))
        except KeyboardInterrupt:
            click.secho("interrupted", fg="red", err=True)
            sys.exit(FAILED)
        except click.ClickException:
            raise
        except Exception as error:
            if isinstance(error, click.exceptions.Exit):
                raise
            end(error, ctx.params.get("debug", False))


def end(error: Exception, debug: bool) -> NoReturn:
    """Print an error and leave with its exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        print_problems(error)
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


def print_problems(error: InputError) -> None:
    number = len(error.problems)
    click.secho(f"{number} problem{'s' if number > 1 else ''}:", fg="red", err=True)
    for problem in error.problems:
        where = f"{problem.file}:{problem.line}: " if problem.line else ""
        click.echo(f"  {where}{click.style(problem.path, bold=True)}: {problem.message}", err=True)
        if problem.hint:
            click.echo(f"      hint: {problem.hint}", err=True)
