"""Problems of a recipe, exceptions that end a command, and their exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

#: Exit codes of every command.
DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
PLUGIN_FAILED: Final = 3
STOPPED: Final = 75
#: The hint where RUN is not a run folder.
RUN_HINT: Final = "name a run folder, such as runs/RECIPE/DATE"


@dataclass(frozen=True)
class Problem:
    """One thing that the user has to fix.

    Args:
        path: where in the recipe, dotted (``model.backbone``), or the file or option concerned.
        message: what is wrong, one sentence without a full stop at the end.
        hint: what to write instead, when that is known.
        line: 1-based line in ``file``, when there is one.
        file: the file that holds the line.
    """

    path: str
    message: str
    hint: str | None = None
    line: int | None = None
    file: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.file or 'recipe'}:{self.line}: " if self.line else ""
        hint = f"\n    hint: {self.hint}" if self.hint else ""
        return f"{where}{self.path}: {self.message}{hint}"


class Hw1Error(Exception):
    """Base of the errors that are shown as one readable block instead of a traceback."""

    exit_code = FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(Hw1Error):
    """The user's input is wrong; nothing was done. Carries every problem that was found."""

    exit_code = WRONG_INPUT

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # A loader's worker sends it by pickle, which would otherwise call it with the message.
        return InputError, (self.problems,)

    @classmethod
    def of(cls, path: str, message: str, hint: str | None = None) -> InputError:
        """An error with a single problem."""
        return cls([Problem(path, message, hint)])


class PluginError(Hw1Error):
    """A plugin failed: its import, its spec or its factory. Names the source."""

    exit_code = PLUGIN_FAILED

    def __init__(self, source: str, reason: str, hint: str | None = None, problem: Problem | None = None) -> None:
        super().__init__(f"{source}: {reason}", hint)
        self.source = source
        self.reason = reason
        #: Where the recipe names the source, when a recipe does.
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return PluginError, (self.source, self.reason, self.hint, self.problem)


def ended_by_plugin(error: BaseException) -> PluginError:
    """What a plugin raises to end the process: ``exit()``, a KeyboardInterrupt of its own, any other BaseException."""
    reason = f"a plugin ended the process: {type(error).__name__}{f': {error}' if str(error) else ''}"
    return PluginError(raised_at(error), reason, "components raise subclasses of Exception, and do not call exit()")


class StoppedBySignal(Hw1Error):
    """The run was asked to stop, saved its state and can be resumed."""

    exit_code = STOPPED


def printable(text: str) -> str:
    """A text whose control characters, such as a stranger's escape sequences, a terminal shows and does not obey."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def raised_at(error: BaseException) -> str:
    """``file:line`` of the innermost code that raised an error, the import machinery left out; '?' where unknown."""
    location, traceback = "?", error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        location = location if file.startswith("<frozen") else f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return location


def nearest(word: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates spelt most like ``word``, best first, compared without regard to case."""
    folded = {candidate.casefold(): candidate for candidate in reversed(list(candidates))}
    wanted, prefix = word.casefold(), f"{word.casefold().rpartition('/')[0]}/"
    # The prefix is alike in a whole zoo, and would make all of its names look alike.
    if members := {key.removeprefix(prefix): name for key, name in folded.items() if key.startswith(prefix)}:
        folded, wanted = members, wanted.removeprefix(prefix)
    found = difflib.get_close_matches(wanted, folded, n=limit, cutoff=0.6)
    return [folded[key] for key in found]


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str | None = None) -> str | None:
    """A hint with the nearest right spellings, or ``otherwise`` when nothing is near."""
    found = nearest(word, candidates)
    return f"did you mean {' or '.join(repr(name) for name in found)}?" if found else otherwise
