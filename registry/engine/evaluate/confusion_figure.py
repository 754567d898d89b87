"""A confusion matrix, drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..data.drawing import shown
from .confusion import Confusion

#: Up to so many labels, every cell's share is written into it.
_WRITTEN = 24
#: Smaller shares are not written.
_LEAST = 0.0005
#: Up to so many, every label's name is shown.
_NAMED = 110


def draw(confusion: Confusion, title: str, unit: str) -> Figure:
    """The matrix, each row as shares of its truth; a class without any is grey.

    Args:
        confusion: with at least one class.
        title: the figure's heading.
        unit: what was counted, in the plural.
    """
    classes = confusion.classes
    dropped = {classes.ignored} if not classes.count_against else set()
    rows = [index for index in range(len(classes)) if index not in dropped]
    columns = [index for index in range(len(classes)) if index not in dropped or confusion.known[:, index].any()]
    counts = confusion.counted[np.ix_(rows, columns)].astype(float)
    totals = confusion.counted.sum(1)[rows][:, None]
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)

    labels = max(len(rows), len(columns))
    cell = 0.62 if labels <= 12 else 0.46 if labels <= _WRITTEN else max(0.19 if labels <= _NAMED else 0.0, 12 / labels)
    names = [shown(name, 22) for name in classes.names]
    margin = 0.6 + 0.075 * max(map(len, names)) if labels <= _NAMED else 0.8
    width, height = cell * len(columns) + margin + 1.3, cell * len(rows) + margin + 0.7
    figure = Figure(figsize=(max(width, 5.0), max(height, 4.0)), layout="constrained")
    axis = figure.subplots()
    axis.set_facecolor("0.85")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if labels <= _NAMED:
        size = 9 if labels <= _WRITTEN else 7
        axis.set_xticks(range(len(columns)), [names[index] for index in columns], rotation=90, fontsize=size)
        axis.set_yticks(range(len(rows)), [names[index] for index in rows], fontsize=size)
    if labels <= _WRITTEN:
        for y, x in np.argwhere(np.nan_to_num(shares) >= _LEAST):
            axis.text(
                *(x, y, _percent(shares[y, x])),
                ha="center",
                va="center",
                fontsize=8.5 if labels <= 12 else 7,
                color="white" if shares[y, x] > 0.55 else "0.15",
            )
    axis.set_xlabel("prediction")
    axis.set_ylabel("truth")
    axis.set_title(f"{shown(title)}\nconfusion of {int(counts.sum()):,} {unit}", fontsize=11)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.02)
    bar.set_label(f"share of the truth's {unit}, %" if labels <= _WRITTEN else f"share of the truth's {unit}")
    if labels <= _WRITTEN:
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    return figure


def _percent(share: float) -> str:
    """``97``, or ``0.3`` where rounding would hide it."""
    percent = 100 * share
    return f"{percent:.0f}" if percent >= 0.95 else f"{percent:.1f}"
