"""How a figure leaves a report: as a PNG in the run folder and as a picture of the trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from registry.engine import Run

#: Dots per inch of every figure.
DPI = 110


def blank(width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    """An empty figure of this size in inches, with a margin."""
    figure = Figure(figsize=(width, height), layout=layout)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure


def publish(figure: Figure, run: Run, name: str, epoch: int) -> None:
    """Write ``figures/<name>.png``, and the same picture to the trackers at the epoch."""
    pixels = write(figure, run.folder.figures / f"{name}.png")
    run.trackers.picture(f"reports/{name}", pixels, epoch)


def write(figure: Figure, path: Path) -> np.ndarray:
    """Write a figure as a PNG; gives its pixels, uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, dpi=(DPI, DPI))
    return pixels


def heading(run: Run, text: str) -> str:
    """A figure's heading: the run, what is shown, and whether it learned from made data."""
    return literal(f"{run.name}: {text}{' (demo data)' if run.plan.demo else ''}")


def literal(text: str) -> str:
    """A name, to be shown letter by letter: no dollar begins a formula, no underscore hides a legend's entry.

    Bytes of a file's name that the locale cannot decode are shown as UTF-8.
    """
    shown = text.encode(errors="surrogateescape").decode(errors="replace").replace("$", r"\$")
    return f"\u200b{shown}" if shown.startswith("_") else shown


def in_short(name: str, most: int) -> str:
    """A name of at most this many letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
