"""An error as one readable block, and its exit code."""

from __future__ import annotations

import atexit
import errno
import os
import sys
from typing import Any, Final, NoReturn

import click

from ..errors import FAILED, Hw1Error, InputError, StoppedBySignal, ended_by_plugin, printable, raised_at
from ..signals import Interrupted, handled, ignore, interrupt
from .streams import make_writable

#: What to do about errors of the system.
_HINTS: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room, then give the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "this user may not do that here"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit: ulimit -n 1024"),
    **dict.fromkeys((errno.ENOTEMPTY, errno.EEXIST), "another process has written it meanwhile: name another --out"),
}
DEBUG: Final = "Add the traceback to an error."


def _set_debug(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.find_root().params["debug"] = True


class CommandGroup(click.Group):
    """Shows an error as one readable block, ends with its exit code, and gives every command ``--debug``."""

    def main(self, *args: Any, **settings: Any) -> Any:
        make_writable()
        return super().main(*args, **settings)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if not isinstance(cmd, click.Group):
            settings: dict[str, Any] = {"expose_value": False, "is_eager": True, "callback": _set_debug, "help": DEBUG}
            cmd.params.append(click.Option(["--debug"], is_flag=True, **settings))
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.parent is not None:  # a group of commands below the first one, which shows their errors
            return super().invoke(ctx)
        try:
            try:
                with handled(interrupt):
                    return super().invoke(ctx)
            except (Exception, Interrupted, SystemExit):
                raise
            except BaseException as error:
                raise ended_by_plugin(error) from error
            finally:
                atexit.register(ignore)  # else a signal in the last second makes a failure of what has succeeded
                sys.stdout.flush()  # a closed pipe is noticed here, not when the interpreter ends
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click shows these itself; a pipe whose reader (head, less) has left is not an error
        except Interrupted as interrupted:
            if ctx.invoked_subcommand not in ("run", "sweep"):
                exit_with(Hw1Error(f"stopped by {interrupted}; nothing was written"), debug=False)
            # Later, in the run folder, the loop, a study and a sweep answer signals themselves.
            message = f"stopped by {interrupted} while preparing; nothing was written"
            exit_with(StoppedBySignal(message, "give the same command again"), debug=False)
        except Exception as error:
            exit_with(error, ctx.params.get("debug", False))


def exit_with(error: Exception, debug: bool) -> NoReturn:
    """Print an error and leave with its exit code.

    Of several processes that train together, the first one shows what all of them raise, and others show the rest.
    """
    error = _of_the_system(error) or error
    rank = os.environ.get("RANK", "0")
    if rank != "0" and isinstance(error, (InputError, StoppedBySignal)):
        sys.exit(error.exit_code)
    if rank != "0":
        click.echo(f"process {rank}:", err=True)
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        print_problems(error)
    else:
        expected, stopped = isinstance(error, Hw1Error), isinstance(error, StoppedBySignal)
        text = str(error) if stopped else f"error: {error if expected else f'{type(error).__name__}: {error}'}"
        click.secho(printable(text), fg="yellow" if stopped else "red", err=True)
        if not expected and not debug:
            click.echo(f"  hint: raised at {raised_at(error)}; --debug adds the traceback", err=True)
    hint = getattr(error, "hint", None)
    if hint:
        click.echo(f"  hint: {printable(hint)}", err=True)
    sys.exit(getattr(error, "exit_code", FAILED))


def _of_the_system(error: Exception) -> Hw1Error | None:
    """In our words what the system refuses to any command; None for another error."""
    known = None
    if isinstance(error, OSError) and (hint := _HINTS.get(error.errno or 0)) is not None:
        known = Hw1Error(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror), hint)
    elif not isinstance(error, Hw1Error) and os.strerror(errno.ENOSPC) in str(
        error
    ):  # of a library in another language
        known = Hw1Error(os.strerror(errno.ENOSPC), _HINTS[errno.ENOSPC])
    elif isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        known = Hw1Error("the system allows no more threads or processes of this user", "raise the limit: ulimit -u")
    return known.with_traceback(error.__traceback__) if known is not None else None


def print_problems(error: InputError) -> None:
    """Every problem with its location and hint on standard error, in the order of the lines."""
    number = len(error.problems)
    click.secho(f"{number} problem{'s' if number > 1 else ''}:", fg="red", err=True)
    for problem in sorted(error.problems, key=lambda each: (each.line is None, each.file or "", each.line or 0)):
        where = printable(f"{problem.file}:{problem.line}: ") if problem.line else ""
        path, message = click.style(printable(problem.path), bold=True), printable(problem.message)
        click.echo(f"  {where}{path}: {message}", err=True)
        if problem.hint:
            click.echo(f"      hint: {printable(problem.hint)}", err=True)
