"""What figures share: drawn without a display, names shown as they are (no mathtext)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...files import atomic_write
from .colors import Color, colorize

#: Dots per inch of every figure.
DPI: Final = 110
#: Inches that a figure is wide at most, so that its text is legible where a page shows it 700 pixels wide.
WIDTH: Final = 7.6
#: Shapes that stay distinct when they are small and grey.
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "p", "<", "*")
#: Hatches of classes in legends, in the order of their indices.
HATCHES: Final = (None, "////", "..", "\\\\\\\\", "----", "xxxx", "||||", "++++")


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


def legend_entry(color: Sequence[int], label: str, index: int = 0) -> Patch:
    """A class in a legend; its colour is (R, G, B) in 0..255, its hatch that of ``hatched``."""
    face, line = ((each[0] / 255, each[1] / 255, each[2] / 255) for each in (color, ink(color)))
    return Patch(facecolor=face, edgecolor=line, hatch=HATCHES[index % len(HATCHES)], linewidth=0.5, label=label)


def score_title(score: str) -> str:
    """A score's name as the field writes it: ``mIoU``, ``balanced accuracy``."""
    words = {"miou": "mIoU", "iou": "IoU", "knn": "kNN accuracy", "top5": "top-5 accuracy", "f1": "F1"}
    return words.get(score) or " ".join(words.get(part, part) for part in score.split("_"))


def hatched(mask: Any, colors: Sequence[Any], side: int = 360) -> Any:
    """A mask in its classes' colours and hatches, so that classes differ in grey, too: uint8 (H, W, 3).

    Args:
        mask: labels (H, W), enlarged until it is about ``side`` pixels long; labels without a colour are grey.
        colors: (R, G, B) in 0..255 of each class.
    """
    import numpy as np

    factor = max(1, round(side / max(mask.shape)))
    labels = np.asarray(mask, np.uint8).repeat(factor, 0).repeat(factor, 1)
    drawn = colorize(labels, colors)
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    period = max(6, max(labels.shape) // 24)
    lines = [(term % period < period / 6) for term in (x + y, x - y, y + 0 * x, x + 0 * y)]
    dots = (x % period < period / 3) & (y % period < period / 3)
    rising, falling, flat, upright = lines
    strokes = (None, rising, dots, falling, flat, rising | falling, upright, flat | upright)
    for label in range(1, len(colors)):
        stroke = strokes[label % len(HATCHES)]
        if stroke is not None:
            drawn[(labels == label) & stroke] = ink(colors[label])
    return drawn


def ink(color: Sequence[int]) -> Color:
    """A grey that is seen on a colour."""
    light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (90, 90, 90) if light > 150 else (215, 215, 215)
