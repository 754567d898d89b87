"""What ``compare`` found, for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .tables import as_yaml, settings_table


def contrast_tables(console: Console, told: Mapping[str, Any]) -> None:
    """The runs with their scores, then what differs: scores, settings, machine and libraries, code."""
    console.print(_runs(told["runs"]))
    for table in told["scores"]:
        # Without a standard error it would only say the scores again.
        known = any(row["standard_error"] is not None for row in table["settings"])
        if known and len(table["settings"]) > 1:
            settings_table(console, table["monitor"], table)
    _values(console, "settings that differ", told["settings"])
    _values(console, "machine and libraries that differ", told["computed_by"])
    if told["code"]:
        console.print("code that differs from that of run 1", style="bold")
        for number, sentences in told["code"].items():
            for sentence in sentences:
                console.print(Text(f"  {number}: {sentence}"), soft_wrap=True)
    if not any(told[part] for part in ("settings", "computed_by", "code")):
        console.print("settings, machine, libraries and code are the same")
    if "figure" in told:
        console.print(Text(f"figure: {told['figure']}", style="dim"), soft_wrap=True)


def _runs(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", style="bold")
    table.add_column("run", overflow="fold")
    if len({row["recipe"] for row in rows}) > 1:
        table.add_column("recipe", overflow="fold")
    for heading in ("best score", "epoch", "last", "images/s", "time"):
        table.add_column(heading, justify="right", no_wrap=heading != "best score")
    for row in rows:
        name = Text(row["name"])
        if row["status"] != "done":
            name.append(f" ({row['status']})", style="yellow")
        cells = [str(row["number"]), name, *([row["recipe"]] if len(table.columns) == 8 else [])]
        best = "none" if row["best"] is None else f"{row['monitor']} {row['best']:.4f}"
        epoch = f"{row['best_epoch'] or '-'}/{row['epochs']}"
        last = "" if row["last"] is None else f"{row['last']:.4f}"
        speed = "" if row["images_per_second"] is None else f"{row['images_per_second']:.1f}"
        table.add_row(*cells, best, epoch, last, speed, _clock(row["seconds"]))
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _values(console: Console, title: str, differing: Mapping[str, Sequence[Any]]) -> None:
    """One row a path; runs of the same value stand together."""
    if not differing:
        return
    console.print(title, style="bold")
    table = Table(box=box.SIMPLE, pad_edge=False, show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    for path, values in differing.items():
        runs: dict[str, list[str]] = {}
        for number, value in enumerate(values, 1):
            runs.setdefault(as_yaml(value), []).append(str(number))
        lines = (f"run{'s' * (len(which) > 1)} {', '.join(which)}: {value}" for value, which in runs.items())
        table.add_row(Text(path), Text("\n".join(lines)))
    console.print(table)
