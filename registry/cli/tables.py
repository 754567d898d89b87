"""What commands print for readers: the parts of rich, tables of several commands, values as a recipe writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..results.statistics import LEAST_SEEDS

__all__ = ["Columns", "Console", "Table", "Text", "as_yaml", "plural", "print_settings", "table_of"]

#: With more settings than this, a table of the differences between each two does not fit on a terminal.
_COMPARED: Final = 8


def table_of(*headings: str) -> Table:
    """A table without a frame; a column whose heading ends in ``>`` is aligned to the right, and not wrapped."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        number = heading.endswith(">")
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(heading.removesuffix(">"), justify=justify, no_wrap=number, overflow="fold")
    return table


def as_yaml(value: Any) -> str:
    """A value as a recipe writes it, on one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_yaml(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {as_yaml(item)}' for key, item in value.items())}}}"
    return str(value)


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def print_settings(console: Console, monitor: str, comparison: Mapping[str, Any], heading: str = "setting") -> None:
    """Settings with their standard errors, and below them the difference of each pair.

    Args:
        console: where to print.
        monitor: the score.
        comparison: of ``registry.results.statistics.compare``.
        heading: what the settings are called.
    """
    rows, pairs = comparison["settings"], comparison["differences"]
    table = table_of(heading, "mean>", "std of runs>", "standard error>", "runs>")
    for row in rows:
        error = "unknown" if row["standard_error"] is None else f"{row['standard_error']:.4f} ({row['error_from']})"
        spread = "" if row["spread"] is None else f"{row['spread']:.4f}"
        table.add_row(row["name"], f"{row['mean']:.4f}", spread, error, str(len(row["runs"])))
    console.print(f"{monitor}, best epoch of each run", style="bold", highlight=False)
    console.print(table)
    if not 1 < len(rows) <= _COMPARED:
        return
    names = [row["name"] for row in rows]
    matrix = table_of("", *(f"{name}>" for name in names[:-1]))
    shown = {
        (pair["one"], pair["other"]): f"{pair['difference']:+.3f}{'*' if pair['more_than_noise'] else ' '}"
        for pair in pairs
    }
    for at, name in enumerate(names[1:], 1):
        matrix.add_row(name, *(shown.get((other, name), "") for other in names[:at]))
    console.print("difference: row minus column", style="bold")
    console.print(matrix)
    if any(pair["more_than_noise"] for pair in pairs):
        text = (
            "* more than noise: beyond the 95 % range of Student's t over the runs, and of the binomial error where "
            "the score is a share of images"
        )
    elif all(pair["more_than_noise"] is None for pair in pairs):
        wanted = f"that takes {LEAST_SEEDS} seeds or folds of each setting"
        text = f"whether a difference is more than noise is unknown: {wanted}"
    else:
        text = "no difference is more than noise"
    console.print(text, style="dim", highlight=False)
