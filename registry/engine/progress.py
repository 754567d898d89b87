"""Progress over a known number of things: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")

#: Seconds between two plain lines.
_PLAIN_EVERY: Final = 30.0


def followed(items: Iterable[T], total: int, doing: str, console: Console) -> Iterator[T]:
    """The items one by one, while their progress is shown.

    Args:
        items: what is worked on.
        total: how many there are.
        doing: what is done, such as ``evaluating``.
        console: where to show it.
    """
    if not console.is_terminal:
        last = time.monotonic()
        for number, item in enumerate(items):
            if time.monotonic() - last > _PLAIN_EVERY:
                console.print(f"{doing}: {number} of {total}", soft_wrap=True)
                last = time.monotonic()
            yield item
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True) as bar:
        yield from bar.track(items, total=total, description=doing)
