"""What the terminal shows of a run: a moving bar where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

#: Seconds between two plain lines inside a long epoch.
_PLAIN_EVERY = 30.0


class Display:
    """A run's face in the terminal.

    Args:
        console: where to print.
        log: a file that gets every line as well.
    """

    def __init__(self, console: Console, log: Path | None = None) -> None:
        self.console = console
        self.log = log
        self._progress: Progress | None = None
        self._said: list[str] = []
        self._score = ""
        self._total = self._done = 0
        self._epochs = 0
        self._start = self._last_line = 0.0

    # --- words ----------------------------------------------------------------------------------

    def say(self, text: str, style: str = "") -> None:
        """One line for the reader and the log."""
        self.console.print(Text(text, style=style), soft_wrap=True)
        self.keep(text)

    def note(self, text: str) -> None:
        """Something second best that the reader should know."""
        self.say(f"note: {text}", "yellow")

    def banner(self, title: str, text: str) -> None:
        """Something that must not be overlooked."""
        self.console.print(Panel(Text(text), title=title, border_style="bold yellow", title_align="left", width=88))
        self.keep(f"{title}: {text}")

    def attach(self, log: Path) -> None:
        """Keep a log from now on; what was said before goes in first."""
        self.log = log
        with log.open("a", encoding="utf-8") as file:
            file.writelines(self._said)
        self._said = []

    def keep(self, text: str) -> None:
        """A line for the log alone."""
        line = f"{time.strftime('%H:%M:%S')} {text}\n"
        if self.log is None:
            self._said.append(line)
            return
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line)

    # --- progress -------------------------------------------------------------------------------

    def start(self, epochs: int, batches: int, done: int) -> None:
        """Begin to show progress over ``epochs`` of ``batches`` each, of which ``done`` batches lie behind."""
        self._epochs, self._batches = epochs, batches
        self._total, self._done, self._first = epochs * batches, done, done
        self._start = self._last_line = time.monotonic()
        if not self.console.is_terminal:
            return
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
        )
        self._bar = self._progress.add_task("", total=self._total, completed=done, status="")
        self._progress.start()

    def step(self, epoch: int, batches: int, status: str) -> None:
        """``batches`` more are done; the last evaluation's score is shown beside ``status``."""
        self._done += batches
        status = f"{status}  {self._score}".rstrip()
        if self._progress is not None:
            self._progress.update(
                self._bar, completed=self._done, description=f"epoch {epoch}/{self._epochs}", status=status
            )
        elif time.monotonic() - self._last_line > _PLAIN_EVERY:
            inside = self._done - (epoch - 1) * self._batches
            self.console.print(
                f"epoch {epoch}/{self._epochs}  batch {inside}/{self._batches}  {status}  left {self.left()}",
                soft_wrap=True,
            )
            self._last_line = time.monotonic()

    def epoch(self, row: Mapping[str, Any], monitor: str, best: bool) -> None:
        """The line of a finished epoch."""
        shown = [f"epoch {row['epoch']:>{len(str(self._epochs))}}/{self._epochs}"]
        wanted = ["train_loss", "val_loss", monitor, *(name for name in row if "/" not in name)]
        skipped = {"epoch", "lr", "seconds", "images_per_second"}
        for name in dict.fromkeys(name for name in wanted if name in row and name not in skipped):
            shown.append(f"{name} {row[name]:.4f}")
        if monitor in row:
            self._score = f"{monitor} {row[monitor]:.4f}"
        if "images_per_second" in row:
            shown.append(f"{row['images_per_second']:.1f} images/s")
        shown.append(f"left {self.left()}" + ("  best so far" if best else ""))
        self.say("  ".join(shown))
        self._last_line = time.monotonic()

    def left(self) -> str:
        """Time left, from the batches done so far in this process."""
        done = self._done - self._first
        if not done:
            return "?"
        seconds = (time.monotonic() - self._start) / done * (self._total - self._done)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    # --- the end --------------------------------------------------------------------------------

    def results(self, title: str, rows: Sequence[tuple[str, float, float]], best_epoch: int) -> None:
        """The final table: name, best epoch's value, last epoch's value."""
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("score")
        table.add_column(f"best (epoch {best_epoch})", justify="right")
        table.add_column("last", justify="right")
        for name, best, last in rows:
            table.add_row(name, f"{best:.4f}", f"{last:.4f}")
        self.console.print(table)
