"""The figures of ``evaluate`` and ``compare``, written without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from ...results.runs import FinishedRun
from ..data.classes import Classes
from ..data.drawing import MARKERS, WIDTH, hatched, legend_entry, score_title, shown
from ..data.images import Pixels
from .confusion import Confusion

#: A confusion matrix shows counts up to so many labels, shares up to so many, and names up to so many.
_MOST_COUNTS, _MOST_CELLS, _MOST_NAMES = 12, 24, 110
#: Smaller shares are not written into their cell.
_LEAST_SHARE = 0.0005
#: Longest side of a panel of an example in pixels (larger images are thinned out), and its width in inches.
_SIDE, _PANEL = 480, 1.45
#: The legend of the examples names so many classes at most.
_LEGEND = 60
#: Markers on a score curve at most, about.
_MARKED = 30


def draw_confusion(confusion: Confusion, title: str, unit: str) -> Figure:
    """A confusion matrix, each row as shares of its truth; the row of a class that does not occur is grey.

    Cells hold per cent and, of few labels, the count; the right axis has every class's recall.

    Args:
        confusion: with at least one class.
        title: the figure's heading.
        unit: what was counted, in the plural.
    """
    classes = confusion.classes
    dropped = {classes.ignored} if not classes.count_against else set()
    rows = [index for index in range(len(classes)) if index not in dropped]
    columns = [index for index in range(len(classes)) if index not in dropped or confusion.known[:, index].any()]
    counts = confusion.counted[np.ix_(rows, columns)]
    totals = confusion.counted.sum(1)[rows]
    shares = np.divide(counts, totals[:, None], out=np.full(counts.shape, np.nan), where=totals[:, None] > 0)

    labels = max(len(rows), len(columns))
    counted, few, named = labels <= _MOST_COUNTS, labels <= _MOST_CELLS, labels <= _MOST_NAMES
    cell = 0.6 if counted else 0.46 if few else max(0.19 * named, 12 / labels)
    names = [shown(name, 22) for name in classes.names]
    margin = 0.6 + 0.075 * max(map(len, names)) if named else 0.8
    width, height = cell * len(columns) + margin + 1.9, cell * len(rows) + margin + 0.7
    figure = Figure(figsize=(max(width, 5.0), max(height, 4.0)), layout="compressed")
    axis = figure.subplots()
    axis.set_facecolor("0.85")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if named:
        size = 9 if few else 7
        axis.set_xticks(range(len(columns)), [names[index] for index in columns], rotation=90, fontsize=size)
        axis.set_yticks(range(len(rows)), [names[index] for index in rows], fontsize=size)
        recall = axis.secondary_yaxis("right")
        own = [shares[at, columns.index(index)] if index in columns else 0.0 for at, index in enumerate(rows)]
        each = zip(own, totals, strict=True)
        texts = [f"{100 * share:.0f} % of {_short(int(total))}" if total else "none" for share, total in each]
        recall.set_yticks(range(len(rows)), texts, fontsize=size)
        recall.set_ylabel("recall of the class", labelpad=9)
    for y, x in np.argwhere(np.nan_to_num(shares) >= _LEAST_SHARE) if few else ():
        percent, color = 100 * shares[y, x], "white" if shares[y, x] > 0.55 else "0.15"
        text = f"{percent:.0f}" if percent >= 0.95 else f"{percent:.1f}"  # rounding would hide a small share
        text = f"{text} %\n{_short(int(counts[y, x]))}" if counted else text
        axis.text(x, y, text, ha="center", va="center", fontsize=8 if counted else 7, color=color)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    figure.suptitle(f"{shown(title)}\nconfusion matrix of {int(counts.sum()):,} {unit}", fontsize=11)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.02)
    bar.set_label("share of the true class, %")
    bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    return figure


def _short(count: int) -> str:
    """A count in few letters: 950, 12k, 3.4M."""
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= 10 * factor or (count >= factor and letter == "M"):
            return f"{count / factor:.3g}{letter}" if count >= 100 * factor else f"{count / factor:.2g}{letter}"
    return str(count)


@dataclass(frozen=True)
class Example:
    """An image that was predicted badly.

    Attributes:
        name: of the image.
        caption: its figures.
        image: uint8 (H, W, 3); None where it is not known.
        truth, predicted: labels (H, W), indices of classes; None where it has no mask.
        right: whether its class was predicted; None of an image with masks.
    """

    name: str
    caption: str
    image: Pixels | None = None
    truth: Pixels | None = None
    predicted: Pixels | None = None
    right: bool | None = None

    def thin(self) -> Example:
        """The same, no larger than a panel shows."""
        thinned: dict[str, Any] = {}
        for name in ("image", "truth", "predicted"):
            if (pixels := getattr(self, name)) is not None:
                step = -(-max(pixels.shape[:2]) // _SIDE)
                thinned[name] = np.ascontiguousarray(pixels[::step, ::step])
        return replace(self, **thinned)


def draw_examples(
    examples: Sequence[Example], classes: Classes, title: str, captions: str = "truth → prediction"
) -> Figure:
    """One sheet with the image, truth and prediction of each example, or the image alone where it has no mask.

    Args:
        examples: at least one; all with masks, or all without.
        classes: names and colours of the labels.
        title: the figure's heading.
        captions: what the captions hold.
    """
    panels: list[list[tuple[str, Any]]] = []
    for example in examples:
        masks = (("truth", example.truth), ("prediction", example.predicted))
        colored = [(heading, hatched(mask, classes.colors)) for heading, mask in masks if mask is not None]
        panels.append([*([] if example.image is None else [("image", example.image)]), *colored])
    width = max(map(len, panels))
    # Examples beside one another: an even number of them fills every row.
    abreast = min({1: 4, 2: 3}.get(width, 2 if len(examples) % 2 == 0 else 1), len(examples))
    rows = -(-len(examples) // abreast)
    sides = [picture.shape[0] / picture.shape[1] for parts in panels for _, picture in parts]
    panel = _PANEL if width > 1 else 1.7
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
            axis.imshow(picture, interpolation="auto")  # hatches that are made smaller are averaged
            if width == 1:
                name, below = example.name, [shown(line, letters) for line in example.caption.splitlines()]
            else:
                name, below = {len(parts) - 1: example.caption, 0: example.name}.get(offset, ""), [heading]
            axis.set_title("\n".join([shown(name, letters, keep_end=True), *below]), fontsize=8)
            if example.right is not None:
                color, style = ("0.6", ":") if example.right else ("#c23b22", "-")
                width_of_edge = 1.0 if example.right else 2.5
                axis.add_patch(_edge(picture, edgecolor=color, linestyle=style, linewidth=width_of_edge))
    what = "the worst image" if len(examples) == 1 else f"the {len(examples)} worst images"
    if any(example.right is not None for example in examples):
        what += f": {captions}; ✗ wrong (solid edge), ✓ right (dotted edge)"
    figure.suptitle(f"{shown(title)}\n{what}", fontsize=10)
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=min(columns, len(patches)), fontsize=7.5)
    return figure


def _edge(picture: Any, **style: Any) -> Rectangle:
    return Rectangle((-0.5, -0.5), picture.shape[1], picture.shape[0], fill=False, clip_on=False, **style)


def _legend(examples: Sequence[Example], classes: Classes) -> list[Patch]:
    """The classes that the masks hold."""
    masks = [mask for example in examples for mask in (example.truth, example.predicted) if mask is not None]
    held = sorted({int(label) for mask in masks for label in np.unique(mask)})
    patches = []
    for label in held[:_LEGEND]:
        name = shown(classes.names[label], 18) + (" (not scored)" if label == classes.ignored else "")
        patches.append(legend_entry(classes.colors[label], name, label))
    if len(held) > _LEGEND:
        patches.append(Patch(facecolor="none", edgecolor="none", label=f"and {len(held) - _LEGEND} more"))
    return patches


def draw_score_curves(runs: Mapping[str, FinishedRun]) -> Figure:
    """A panel for each monitored score, a curve for each run, filled at its best epoch; NaN leaves a gap.

    Args:
        runs: by the names that the legend shows.
    """
    monitors = list(dict.fromkeys(run.monitor for run in runs.values()))
    figure = Figure(figsize=(WIDTH, (3.0 + 0.1 * len(runs)) * len(monitors) + 0.5), layout="constrained")
    figure.suptitle(f"{len(runs)} runs compared", fontsize=11)
    panels = figure.subplots(len(monitors), 1, squeeze=False).ravel()
    colors = matplotlib.color_sequences["tab20" if len(runs) > 10 else "tab10"]
    for position, (name, run) in enumerate(runs.items()):
        panel = panels[monitors.index(run.monitor)]
        points = [(row["epoch"], row[run.monitor]) for row in run.rows if run.monitor in row]
        label = shown(name, 80) + (f": best {run.score:.4g}" if run.score is not None else "")
        style = {"color": colors[position % len(colors)], "marker": MARKERS[position % len(MARKERS)], "markersize": 6}
        style |= {"linestyle": ("-", "--", ":", "-.")[position % 4], "markerfacecolor": "white"}
        style["markevery"] = max(1, len(points) // _MARKED)
        panel.plot(*zip(*points, strict=True) if points else ([], []), label=label, **style)
        best = [point for point in points if point[0] == run.summary["best_epoch"]]
        filled = {"markerfacecolor": style["color"], "markersize": 9, "linestyle": "", "markevery": 1}
        panel.plot(*zip(*best, strict=True) or ([], []), **style | filled)
    for panel, monitor in zip(panels, monitors, strict=True):
        panel.set_xlabel("epoch (filled: the best)")
        panel.set_ylabel(shown(score_title(monitor)))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3, linewidth=0.6)
        panel.legend(fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False, handlelength=4)
    return figure
