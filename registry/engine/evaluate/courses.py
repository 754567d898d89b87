"""The monitored scores of several runs over their epochs, in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...results.runs import FinishedRun
from ..data.drawing import shown

#: Up to so many evaluations, each is marked.
_MARKED = 30


def draw(runs: Mapping[str, FinishedRun]) -> Figure:
    """A panel for each score that is monitored, a line a run, its best epoch marked.

    Args:
        runs: by the names that the legend shows.
    """
    trackers = list(dict.fromkeys(run.monitor for run in runs.values()))
    figure = Figure(figsize=(10, 3.6 * len(trackers) + 0.5), layout="constrained")
    figure.suptitle(f"{len(runs)} runs compared", fontsize=11)
    panels = figure.subplots(len(trackers), 1, squeeze=False).ravel()
    colors = matplotlib.color_sequences["tab20" if len(runs) > 10 else "tab10"]
    for place, (name, run) in enumerate(runs.items()):
        panel = panels[trackers.index(run.monitor)]
        points = [(row["epoch"], row[run.monitor]) for row in run.rows if math.isfinite(row.get(run.monitor, math.nan))]
        best = run.summary["best_epoch"]
        label = shown(name, 44, keep_end=True) + (f": {run.score:.4g}" if run.score is not None else "")
        style = {"color": colors[place % len(colors)], "linestyle": ("-", "--", ":")[place // len(colors) % 3]}
        marker = "." if len(points) <= _MARKED else None
        panel.plot(*zip(*points, strict=True) if points else ([], []), label=label, marker=marker, **style)
        panel.plot(*zip(*[point for point in points if point[0] == best], strict=True) or ([], []), "o", **style)
    for panel, monitor in zip(panels, trackers, strict=True):
        panel.set_xlabel("epoch")
        panel.set_ylabel(shown(monitor))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3, linewidth=0.6)
        title = "best (dot)"
        panel.legend(
            fontsize=8, title=title, title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
        )
    return figure
