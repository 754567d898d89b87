"""The curves of a run: losses, scores and the learning rate over epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from registry.engine import MARKERS, Run, score_title

from .figures import blank, heading, literal, publish, write

#: Columns of an epoch's row that are neither losses nor scores.
_OTHERS = ("epoch", "lr", "seconds", "images_per_second")
#: So many epochs are marked, about.
_MARKED = 30
#: Scores that go beyond this, as counts do, would press those between 0 and 1 flat: they have a panel of their own.
_SMALL = 2.0


class Curves:
    """See the spec ``curves``."""

    def __init__(self, at: Sequence[int | str]) -> None:
        self.at = list(at)

    def __call__(self, run: Run, epoch: int) -> None:
        """Draw the rows so far; trackers, which draw the curves themselves, get the last epoch's figure only."""
        figure = self.figure(run)
        if epoch == run.epochs:
            publish(figure, run, "curves", epoch)
        else:
            write(figure, run.folder.figures / "curves.png")

    def figure(self, run: Run) -> Figure:
        """Panels of losses, scores and scores far above 1, where there are some; the learning rate where it changes."""
        rows = [record.columns() for record in run.trackers.records]
        columns = list(dict.fromkeys(name for row in rows for name in row if "/" not in name and name not in _OTHERS))
        losses = [name for name in columns if name.endswith("loss")]
        scores = [name for name in columns if name not in losses]
        counts = [name for name in scores if any(abs(value) > _SMALL for _, value in _points(rows, name))]
        scores = [name for name in scores if name not in counts]
        rates = len({row["lr"] for row in rows if "lr" in row}) > 1
        heights = [3.0] * (bool(losses) + bool(scores)) + [1.8] * bool(counts) + [1.1] * rates
        figure = blank(7.4, sum(heights) + 0.8 + 0.2 * len(columns))
        panels = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights).ravel())
        figure.suptitle(heading(run, f"learning curves, {len(rows)} of {run.epochs} epochs"), fontsize=11)
        best = run.position.best_epoch
        for names, label in ((losses, "loss"), (scores, "score"), (counts, "score")):
            if names:
                panel = panels.pop(0)
                for name, line in _lines(rows, names):
                    text = _legend_text(rows, name) + _coinciding(rows, names, name)
                    panel.plot(*zip(*_points(rows, name), strict=True), label=literal(text), **line)
                if label == "score":
                    _baselines(panel, rows, names)
                if best:
                    panel.axvline(best, color="0.4", linewidth=1, linestyle=":")
                kinds = {score_title(_kind(name)) for name in names}
                _finish(panel, literal(kinds.pop() if len(kinds) == 1 else label), last=not panels)
        if best:
            value = next((row.get(run.monitored) for row in rows if row["epoch"] == best), None)
            shown = (
                f"best: {score_title(run.monitored)} {value:.4f} in epoch {best}"
                if value is not None
                else f"best epoch {best}"
            )
            figure.axes[0].set_title(literal(shown), fontsize=9)
        if rates:
            panels[0].plot(*zip(*_points(rows, "lr"), strict=True), color="0.3", linewidth=1.4)
            _scale_rates(panels[0], [rate for _, rate in _points(rows, "lr")])
            _finish(panels[0], "learning rate", last=True)
        last = figure.axes[-1]
        last.set_xlabel("epoch")
        last.set_xlim(0.5, max(row["epoch"] for row in rows) + 0.5)
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> list[tuple[int, float]]:
    """(epoch, value) where it is finite; where it never is, one point of NaN, for the legend."""
    found = [(row["epoch"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
    return found or [(rows[0]["epoch"], math.nan)]


def _lines(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """How each column is drawn: training and evaluation of one figure in one colour, training dashed."""
    colors = matplotlib.color_sequences["tab10"]
    kinds = list(dict.fromkeys(_kind(name) for name in names))
    lines = []
    for name in names:
        place = kinds.index(_kind(name))
        # Later ones are thinner: two scores that are the same both show.
        line = {"color": colors[place % 10], "linewidth": max(2.4 - 0.4 * place, 1.0)}
        line["linestyle"] = "--" if name.startswith("train_") else "-"
        line |= {"marker": MARKERS[place % len(MARKERS)], "markersize": 5}
        line["markevery"] = max(1, len(_points(rows, name)) // _MARKED)
        if name.startswith("train_"):
            line |= {"markerfacecolor": "white"}
        lines.append((name, line))
    return lines


def _kind(name: str) -> str:
    return name.removeprefix("train_").removeprefix("val_")


def _legend_text(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """A legend's entry: the figure, where it is measured, and its last value."""
    where = "training" if name.startswith("train_") else "evaluation"
    return f"{score_title(_kind(name))}, {where}: {_points(rows, name)[-1][1]:.4g}"


def _coinciding(rows: Sequence[Mapping[str, Any]], names: Sequence[str], name: str) -> str:
    """A remark where an earlier curve covers this one: nowhere do they differ by more than a hundredth of the panel."""
    own = _points(rows, name)
    values = [value for other in names for _, value in _points(rows, other)]
    near = (max(values) - min(values)) / 100
    for other in names[: names.index(name)]:
        points = _points(rows, other)
        same_epochs = [epoch for epoch, _ in points] == [epoch for epoch, _ in own]
        if same_epochs and all(abs(a - b) <= near for (_, a), (_, b) in zip(points, own, strict=True)):
            where = "training" if other.startswith("train_") else "evaluation"
            return f" (coincides with {score_title(_kind(other))}, {where})"
    return ""


def _baselines(panel: Axes, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """A line for what the best constant prediction reaches, and one for the start, where the rows have it."""
    for name in names:
        for kind, which, style in (
            ("constant", "of the best constant prediction", "-."),
            ("start", "at the start", ":"),
        ):
            value = _points(rows, f"{kind}/{name}")[-1][1]
            if math.isfinite(value):
                label = literal(f"{score_title(name)} {which}: {value:.4g}")
                panel.axhline(value, color="0.5", linewidth=1, linestyle=style, label=label)


def _scale_rates(panel: Axes, rates: Sequence[float]) -> None:
    """Logarithmic over several powers of ten, else from zero."""
    if 0 < min(rates) < max(rates) / 50:
        panel.set_yscale("log")
    else:
        panel.set_ylim(0, max(rates) * 1.08)
        panel.yaxis.set_major_formatter("{x:g}")


def _finish(panel: Axes, label: str, *, last: bool) -> None:
    panel.set_ylabel(label)
    panel.grid(alpha=0.3, linewidth=0.6)
    panel.tick_params(labelsize=8)
    if panel.get_legend_handles_labels()[0]:
        below = (0.5, -0.17 if last else -0.06)  # under the name of the axis, where the panel shows it
        panel.legend(fontsize=8.5, loc="upper center", bbox_to_anchor=below, frameon=False, handlelength=4)
