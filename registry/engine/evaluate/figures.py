"""The figures of ``evaluate`` and ``compare``, written without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ...results.runs import FinishedRun
from ..data.classes import Classes
from ..data.colors import colorize
from ..data.drawing import legend_entry, shown
from ..data.images import Pixels
from .confusion import Confusion

#: A confusion matrix shows every cell's share up to so many labels, and every label's name up to so many.
_MOST_CELLS, _MOST_NAMES = 24, 110
#: Smaller shares are not written into their cell.
_LEAST_SHARE = 0.0005
#: Longest side of a panel of an example in pixels (larger images are thinned out), and its width in inches.
_SIDE, _PANEL = 480, 1.75
#: The legend of the examples names so many classes at most.
_LEGEND = 60
#: Score curves of up to so many epochs have a marker at each.
_MARKED = 30


def draw_confusion(confusion: Confusion, title: str, unit: str) -> Figure:
    """A confusion matrix, each row as shares of its truth; the row of a class that does not occur is grey.

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
    few, named = labels <= _MOST_CELLS, labels <= _MOST_NAMES
    cell = 0.62 if labels <= 12 else 0.46 if few else max(0.19 * named, 12 / labels)
    names = [shown(name, 22) for name in classes.names]
    margin = 0.6 + 0.075 * max(map(len, names)) if named else 0.8
    width, height = cell * len(columns) + margin + 1.3, cell * len(rows) + margin + 0.7
    figure = Figure(figsize=(max(width, 5.0), max(height, 4.0)), layout="constrained")
    axis = figure.subplots()
    axis.set_facecolor("0.85")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if named:
        size = 9 if few else 7
        axis.set_xticks(range(len(columns)), [names[index] for index in columns], rotation=90, fontsize=size)
        axis.set_yticks(range(len(rows)), [names[index] for index in rows], fontsize=size)
    for y, x in np.argwhere(np.nan_to_num(shares) >= _LEAST_SHARE) if few else ():
        percent, color = 100 * shares[y, x], "white" if shares[y, x] > 0.55 else "0.15"
        text = f"{percent:.0f}" if percent >= 0.95 else f"{percent:.1f}"  # rounding would hide a small share
        axis.text(x, y, text, ha="center", va="center", fontsize=8.5 if labels <= 12 else 7, color=color)
    axis.set_xlabel("prediction")
    axis.set_ylabel("truth")
    axis.set_title(f"{shown(title)}\nconfusion of {int(counts.sum()):,} {unit}", fontsize=11)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.02)
    bar.set_label(f"share of the truth's {unit}{', %' if few else ''}")
    if few:
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    return figure


@dataclass(frozen=True)
class Example:
    """An image that was predicted badly.

    Attributes:
        name: of the image.
        caption: its figures.
        image: uint8 (H, W, 3); None where it is not known.
        truth, predicted: labels (H, W), indices of classes; None where it has no mask.
    """

    name: str
    caption: str
    image: Pixels | None = None
    truth: Pixels | None = None
    predicted: Pixels | None = None

    def thin(self) -> Example:
        """The same, no larger than a panel shows."""
        thinned: dict[str, Any] = {}
        for name in ("image", "truth", "predicted"):
            if (pixels := getattr(self, name)) is not None:
                step = -(-max(pixels.shape[:2]) // _SIDE)
                thinned[name] = np.ascontiguousarray(pixels[::step, ::step])
        return replace(self, **thinned)


def draw_examples(examples: Sequence[Example], classes: Classes, title: str) -> Figure:
    """One sheet with the image, truth and prediction of each example, or the image alone where it has no mask.

    Args:
        examples: at least one; all with masks, or all without.
        classes: names and colours of the labels.
        title: the figure's heading.
    """
    panels: list[list[tuple[str, Any]]] = []
    for example in examples:
        masks = (("truth", example.truth), ("prediction", example.predicted))
        colored = [(heading, colorize(mask, classes.colors)) for heading, mask in masks if mask is not None]
        panels.append([*([] if example.image is None else [("image", example.image)]), *colored])
    width = max(map(len, panels))
    abreast = min({1: 6, 2: 3}.get(width, 2), len(examples))  # examples beside one another
    rows = -(-len(examples) // abreast)
    sides = [picture.shape[0] / picture.shape[1] for parts in panels for _, picture in parts]
    panel = _PANEL if width > 1 else 1.4
    height = panel * float(np.clip(max(sides), 0.3, 2.5))
    patches = _legend(examples, classes)
    lines = 0.42 if width > 1 else 0.17 * (1 + max(len(e.caption.splitlines()) for e in examples))
    columns = max(1, int(abreast * width * panel / 1.4))
    legend = 0.22 * -(-len(patches) // columns) + 0.2 if patches else 0.0
    figure = Figure(
        figsize=(max(panel * width * abreast, 4.0), (height + lines) * rows + 0.5 + legend), layout="constrained"
    )
    ratios = ([1.0] * width + [0.08]) * abreast  # an empty column between examples
    axes = figure.subplots(rows, len(ratios) - 1, squeeze=False, gridspec_kw={"width_ratios": ratios[:-1]})
    for axis in axes.flat:
        axis.set_axis_off()
    letters = int(panel * 13)
    for position, (example, parts) in enumerate(zip(examples, panels, strict=True)):
        row, first = position // abreast, position % abreast * (width + 1)
        for offset, (heading, picture) in enumerate(parts):
            axis = axes[row, first + offset]
            axis.imshow(picture, interpolation="nearest")
            if width == 1:
                name, below = example.name, [shown(line, letters) for line in example.caption.splitlines()]
            else:
                name, below = {len(parts) - 1: example.caption, 0: example.name}.get(offset, ""), [heading]
            axis.set_title("\n".join([shown(name, letters, keep_end=True), *below]), fontsize=8)
    figure.suptitle(f"{shown(title)}\nthe {len(examples)} worst images", fontsize=11)
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=min(columns, len(patches)), fontsize=7.5)
    return figure


def _legend(examples: Sequence[Example], classes: Classes) -> list[Patch]:
    """The classes that the masks hold."""
    masks = [mask for example in examples for mask in (example.truth, example.predicted) if mask is not None]
    held = sorted({int(label) for mask in masks for label in np.unique(mask)})
    patches = []
    for label in held[:_LEGEND]:
        name = shown(classes.names[label], 18) + (" (not scored)" if label == classes.ignored else "")
        patches.append(legend_entry(classes.colors[label], name))
    if len(held) > _LEGEND:
        patches.append(Patch(facecolor="none", edgecolor="none", label=f"and {len(held) - _LEGEND} more"))
    return patches


def draw_score_curves(runs: Mapping[str, FinishedRun]) -> Figure:
    """A panel for each monitored score, a curve for each run, a dot at its best epoch; NaN leaves a gap.

    Args:
        runs: by the names that the legend shows.
    """
    monitors = list(dict.fromkeys(run.monitor for run in runs.values()))
    figure = Figure(figsize=(10, 3.6 * len(monitors) + 0.5), layout="constrained")
    figure.suptitle(f"{len(runs)} runs compared", fontsize=11)
    panels = figure.subplots(len(monitors), 1, squeeze=False).ravel()
    colors = matplotlib.color_sequences["tab20" if len(runs) > 10 else "tab10"]
    for position, (name, run) in enumerate(runs.items()):
        panel = panels[monitors.index(run.monitor)]
        points = [(row["epoch"], row[run.monitor]) for row in run.rows if run.monitor in row]
        best = run.summary["best_epoch"]
        label = shown(name, 44, keep_end=True) + (f": {run.score:.4g}" if run.score is not None else "")
        style = {"color": colors[position % len(colors)], "linestyle": ("-", "--", ":")[position // len(colors) % 3]}
        marker = "." if len(points) <= _MARKED else None
        panel.plot(*zip(*points, strict=True) if points else ([], []), label=label, marker=marker, **style)
        panel.plot(*zip(*[point for point in points if point[0] == best], strict=True) or ([], []), "o", **style)
    for panel, monitor in zip(panels, monitors, strict=True):
        panel.set_xlabel("epoch")
        panel.set_ylabel(shown(monitor))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3, linewidth=0.6)
        legend = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
        panel.legend(fontsize=8, title="best (dot)", title_fontsize=8, **legend)
    return figure
