"""What a sweep shows while it runs: a line for each trial that ends, and on a terminal what is going on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..errors import printable
from ..results.runs import read_if_done

_STYLES: Final = {"pruned": "dim", "failed": "red"}


class Display:
    """The progress of a sweep; a context manager.

    Args:
        terminal: where to show it.
        folder: the sweep's.
        jobs: how many workers share it.
        shown: numbers of trials that ended in an earlier call.
    """

    def __init__(self, terminal: Console, folder: Path, jobs: int, shown: set[int]) -> None:
        self.terminal, self.folder, self.jobs, self._shown = terminal, folder, jobs, shown
        self._repeated = set[str]()
        self._live = Live(console=terminal, auto_refresh=False, transient=True) if terminal.is_terminal else None
        self._start = time.monotonic()

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, found: Mapping[str, Any]) -> None:
        """Show what has changed.

        Args:
            found: of ``outcome``.
        """
        for trial in found["trials"]:
            if trial["state"] != "running" and trial["number"] not in self._shown:
                self._shown.add(trial["number"])
                self.terminal.print(self._line(trial, found), soft_wrap=True)
        done = {name for name in found["repeats"] if name in self._repeated or read_if_done(self.folder / name)}
        for name in [name for name in found["repeats"] if name in done - self._repeated]:
            self._repeated.add(name)
            run = read_if_done(self.folder / name)
            if run is not None and run.score is not None:
                self.terminal.print(Text(f"{name}: {run.monitor} {run.score:.4f}"), soft_wrap=True)
        if self._live is not None:
            self._live.update(self._now(found), refresh=True)

    def _line(self, trial: Mapping[str, Any], found: Mapping[str, Any]) -> Text:
        """A trial that has ended."""
        if trial["state"] == "failed":
            what = f"failed: {trial['reason']}"
        elif trial["state"] == "pruned":
            what = (
                f"pruned after epoch {trial['epoch']} of {trial['epochs']} at {found['monitor']} {trial['score']:.4f}"
            )
        else:
            what = f"{found['monitor']} {trial['score']:.4f}"
        best = "  best so far" if trial["number"] == found["best"] else ""
        text = f"trial {trial['number']:>{len(str(found['settings']['trials']))}}  {what}  {values(trial)}{best}"
        return Text(printable(text), style="bold green" if best else _STYLES.get(trial["state"], ""))

    def _now(self, found: Mapping[str, Any]) -> Group:
        """What is going on."""
        total, repeats = found["settings"]["trials"], len(found["repeats"])
        states = [trial["state"] for trial in found["trials"]]
        counts = {state: states.count(state) for state in ("done", "pruned", "failed", "running")}
        ended = len(states) - counts["running"]
        parts = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        lines = Text.assemble((f"{ended} of {total} trials", "bold"), f"  {parts}  left {self.left(found)}")
        table = Table(box=None, pad_edge=False, show_header=False)
        for trial in found["trials"]:
            if trial["state"] == "running":
                score = "" if trial["score"] is None else f"{found['monitor']} {trial['score']:.4f}"
                epoch = f"epoch {trial['epoch'] or 0}/{trial['epochs'] or '?'}"
                table.add_row(f"trial {trial['number']}", epoch, score, Text(printable(values(trial)), style="dim"))
        if ended >= total and repeats:
            text = f"best and default recipe with other seeds: {len(self._repeated)} of {repeats} runs"
            table.add_row(text)
        best = [trial for trial in found["trials"] if trial["number"] == found["best"]]
        top = [
            Text(
                printable(
                    f"best so far: {found['monitor']} {each['score']:.4f}, trial {each['number']}  {values(each)}"
                )
            )
            for each in best
        ]
        bar = Table.grid(expand=True)  # a bar by itself does not end its line
        bar.add_row(ProgressBar(total=total + repeats, completed=ended + len(self._repeated)))
        return Group(lines, bar, *top, table)

    def left(self, found: Mapping[str, Any]) -> str:
        """The time left, as minutes:seconds, from the seconds of trials that have ended; ``?`` before the first."""
        ended = [trial for trial in found["trials"] if trial["seconds"] is not None]
        if not ended:
            return "?"
        each = sum(trial["seconds"] for trial in ended) / len(ended)
        whole = max(trial["seconds"] for trial in ended)
        parts = [
            (trial["epoch"] or 0) / (trial["epochs"] or 1) for trial in found["trials"] if trial["state"] == "running"
        ]
        to_come = max(0, found["settings"]["trials"] - len(found["trials"]))
        repeats = len(found["repeats"]) - len(self._repeated)
        seconds = each * (to_come + sum(1 - part for part in parts)) + whole * repeats
        minutes, rest = divmod(round(seconds / self.jobs), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def values(trial: Mapping[str, Any]) -> str:
    """A trial's values by the last words of their places, where these differ."""
    names = list(trial["values"])
    words = [name.partition(" (")[0].rpartition(".")[2] for name in names]
    short = [word if words.count(word) == 1 else name for name, word in zip(names, words, strict=True)]
    return ", ".join(f"{name} {shown(value)}" for name, value in zip(short, trial["values"].values(), strict=True))


def shown(value: Any) -> str:
    """A searched value with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
