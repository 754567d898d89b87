"""What a command shows while it works: a moving bar where there is a terminal, plain lines elsewhere, and a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console as Terminal
from rich.panel import Panel
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from ..errors import printable

T = TypeVar("T")

#: Seconds between two plain lines where there is no terminal.
_PLAIN_EVERY: Final = 30.0


class Progress:
    """How much of a known amount is done, with the time left; a context manager.

    Args:
        terminal: where to show it.
        total: how much there is to do.
        unit: what is counted, such as ``images``.
        done: how much was done before.
    """

    def __init__(self, terminal: Terminal, total: float, unit: str, done: float = 0.0) -> None:
        self.terminal, self.total, self.unit, self.done = terminal, total, unit, done
        self._before = done
        self._start = self._last_line = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=None))
        left = TextColumn("{task.fields[left]}")
        self._bar = RichProgress(*columns, left, console=terminal, transient=True, disable=not terminal.is_terminal)
        self._task = self._bar.add_task("", total=total, completed=done, left="")  # type: ignore[arg-type]

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, amount: float, title: str = "", status: str = "") -> None:
        """``amount`` more is done; ``title`` and ``status`` stand before and after the count."""
        self.done += amount
        count = f"{int(self.done + 1e-6)}/{self.total:g} {self.unit}"
        text = "  ".join(part for part in (title, count, status) if part)
        self._bar.update(self._task, completed=self.done, description=text, left=f"left {self.left}")
        if not self.terminal.is_terminal and time.monotonic() - self._last_line > _PLAIN_EVERY:
            self.terminal.print(Text(f"{text}  left {self.left}"), soft_wrap=True)
            self.line_printed()

    def line_printed(self) -> None:
        """The next plain line waits its full time from now: another line has just informed the reader."""
        self._last_line = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start

    @property
    def speed(self) -> float:
        """Units a second in this process."""
        return (self.done - self._before) / max(self.seconds, 1e-6)

    @property
    def left(self) -> str:
        """The time left, as hours:minutes:seconds; ``?`` as long as nothing is done."""
        if not self.speed:
            return "?"
        minutes, seconds = divmod(round((self.total - self.done) / self.speed), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Console:
    """Lines, banners, progress and tables of one command.

    Args:
        terminal: rich's console.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._log: Path | None = None
        self._unlogged: list[str] = []

    def say(self, text: str, style: str = "") -> None:
        """One line for the reader and the log."""
        self.terminal.print(Text(printable(text), style=style), soft_wrap=True)
        self.log(text)

    def note(self, text: str) -> None:
        """A caveat that the reader should know."""
        self.say(f"note: {text}", "yellow")

    def banner(self, title: str, text: str) -> None:
        """Something that must not be overlooked."""
        self.terminal.print(Panel(Text(text), title=title, border_style="bold yellow", title_align="left", width=88))
        self.log(f"{title}: {text}")

    def log(self, text: str) -> None:
        """A line for the log alone; kept until there is a log."""
        self._unlogged.append(f"{time.strftime('%H:%M:%S')} {text}\n")
        if self._log is not None:
            with self._log.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(self._unlogged)
            self._unlogged = []

    def open_log(self, path: Path) -> None:
        """Write a log from now on, beginning with the lines shown so far."""
        self._log = path

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show what is being done inside, on a terminal; what it yields shows another text."""
        with self.terminal.status(f"{text} ...") as status:
            yield lambda other: status.update(f"{other} ...")

    def progress(self, total: float, unit: str, done: float = 0.0) -> Progress:
        """A progress bar of which the caller reports the steps."""
        return Progress(self.terminal, total, unit, done)

    def track(self, items: Iterable[T], total: int, title: str, unit: str = "batches") -> Iterator[T]:
        """The items one by one, while their progress is shown under a title such as ``evaluating``."""
        with self.progress(total, unit) as progress:
            for item in items:
                yield item
                progress.advance(1, title)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table whose first column holds names and the others numbers."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, name in enumerate(columns):
            table.add_column(name, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        self.terminal.print(table)
