"""How far a prediction has come: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

#: Seconds between two lines where there is no terminal.
_EVERY: Final = 30.0


class Bar:
    """Counts images, large ones by their parts.

    Args:
        console: where it is shown.
        images: in all.
    """

    def __init__(self, console: Console, images: int) -> None:
        self.console, self.images, self.done = console, images, 0.0
        self._start = self._line = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.fields[told]}"), BarColumn(), TimeRemainingColumn(compact=True))
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=images, told=self._told())

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def speed(self) -> float:
        """Images a second."""
        return self.done / max(self.seconds, 1e-6)

    @property
    def rate(self) -> str:
        """The speed in words."""
        return f"{self.speed:.1f} images/s" if self.speed >= 1 else f"{1 / max(self.speed, 1e-6):.1f} s an image"

    def _told(self) -> str:
        share = self.done / max(self.images, 1)
        return f"{share:4.0%}  {int(self.done + 1e-6)}/{self.images} images  {self.rate if self.done else ''}"

    def advance(self, images: float) -> None:
        """That many more, or a part of one, are done."""
        self.done += images
        self._progress.update(self._task, completed=self.done, told=self._told())
        if not self.console.is_terminal and time.monotonic() - self._line > _EVERY:
            minutes, seconds = divmod(round((self.images - self.done) / max(self.speed, 1e-6)), 60)
            self.console.print(f"{self._told()}  left {minutes}:{seconds:02d}", soft_wrap=True, highlight=False)
            self._line = time.monotonic()
