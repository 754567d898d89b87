"""What figures share: drawn without a display, names shown as they are (no mathtext)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...files import atomic_write

#: Dots per inch of every figure.
DPI: Final = 110


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG."""
    FigureCanvasAgg(figure)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.12)


def shown(text: str, most: int = 60, *, keep_end: bool = False) -> str:
    """A name as matplotlib is to show it: at most so many letters, no dollar begins a formula.

    Args:
        text: the name.
        most: its first letters, up to so many, are shown.
        keep_end: show the last ones instead.
    """
    text = text.encode(errors="surrogateescape").decode(errors="replace")  # fonts have no surrogates
    short = text if len(text) <= most else f"…{text[1 - most :]}" if keep_end else f"{text[: most - 1]}…"
    short = short.replace("$", r"\$")
    return f"\u200b{short}" if short.startswith("_") else short


def legend_entry(color: Sequence[int], label: str) -> Patch:
    """A class in a legend; its colour is (R, G, B) in 0..255."""
    red, green, blue = color
    return Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="0.4", linewidth=0.5, label=label)
