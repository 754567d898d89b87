"""Maps of the features as figures: a PNG for each stage and one of all, on the same axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from registry.engine import Run

from .class_marks import ClassMarks
from .figures import blank, heading, publish, write
from .stages import Stage

#: Inches of a map alone and beside others, and how many stand beside each other.
_ALONE, _BESIDE, _COLUMNS = 6.2, 3.7, 2
#: Stages in the figure of all; of more, these many spread over the run.
_MOST_STAGES = 12

#: Classes whose legend fits into a panel that no stage needs.
_IN_PANEL = 36
#: Inches of a letter in a legend.
_LETTER = 0.066

Axis = Callable[[Mapping[str, float]], tuple[str, str]]
Claims = Callable[[Mapping[str, float]], str]


def draw_stages(
    run: Run, name: str, title: str, stages: Sequence[Stage], marks: ClassMarks, axes: Axis, claims: Claims
) -> None:
    """Write ``figures/<name>/epoch_0001.png`` and, with all stages so far, ``figures/<name>.png``.

    All have the same axes, so that they can be compared: where the last stage is wider than those before it, these are
    drawn again.

    Args:
        run: the run.
        name: of the files.
        title: what is shown.
        stages: in order, the new one last.
        marks: the classes'.
        axes, claims: a stage's figures -> names of its axes, and the lines under its title.
    """
    limits = limits_of(stages)
    redrawn = stages if len(stages) > 1 and limits_of(stages[:-1]) != limits else stages[-1:]
    for stage in redrawn:
        entries = marks.legend()
        columns = -(-len(entries) // 25)
        letters = max(len(str(entry.get_label())) for entry in entries)
        figure = blank(_ALONE + 0.8 + columns * (0.4 + _LETTER * letters), _ALONE + 1.0)
        figure.suptitle(heading(run, title), fontsize=10)
        _draw(figure.subplots(), stage, limits, marks, axes, claims, _ALONE)
        figure.legend(handles=entries, loc="outside right center", ncols=columns, **_LEGEND)
        write(figure, run.folder.figures / name / f"epoch_{stage.epoch:04d}.png")
    publish(_side_by_side(run, title, stages, limits, marks, axes, claims), run, name, stages[-1].epoch)


_LEGEND = {"fontsize": 8, "frameon": False, "handletextpad": 0.2, "columnspacing": 1.0, "labelspacing": 0.35}


def limits_of(stages: Sequence[Stage]) -> tuple[float, float, float]:
    """Middle (x, y) and half the width of a square that holds every stage, rounded so that it seldom changes."""
    places = np.vstack([stage.places for stage in stages])
    low, high = places.min(0), places.max(0)
    half = 1.04 * float((high - low).max()) / 2
    step = 10 ** np.floor(np.log10(half)) / 4
    middle = np.round((low + high) / 2 / step) * step
    reach = float(np.abs(np.stack([low, high]) - middle).max()) * 1.04
    return float(middle[0]), float(middle[1]), float(np.ceil(reach / step) * step)


def _side_by_side(
    run: Run,
    title: str,
    stages: Sequence[Stage],
    limits: tuple[float, float, float],
    marks: ClassMarks,
    axes: Axis,
    claims: Claims,
) -> Figure:
    if len(stages) > _MOST_STAGES:
        spread = np.linspace(0, len(stages) - 1, _MOST_STAGES).round().astype(int)
        stages = [stages[index] for index in spread]
    columns = min(len(stages), _COLUMNS)
    rows = -(-len(stages) // columns)
    entries = marks.legend()
    letters = max(len(str(entry.get_label())) for entry in entries)
    width = max(_BESIDE * columns, 6.4)
    beside = min(len(entries), max(int(width / (0.4 + _LETTER * letters)), 1))
    lines = -(-len(entries) // beside)
    height = (_BESIDE + 0.45) * rows + 0.4 + 0.175 * lines
    figure = blank(width, height)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, stage in zip(panels, stages, strict=False):
        _draw(panel, stage, limits, marks, axes, claims, _BESIDE)
    figure.suptitle(heading(run, title), fontsize=11)
    if len(stages) < len(panels) and len(entries) <= _IN_PANEL:
        panels[-1].set_axis_off()
        panels[-1].legend(handles=entries, loc="center", ncols=-(-len(entries) // 12), title="classes", **_LEGEND)
        figure.set_figheight(height - 0.175 * lines)
        return figure
    for panel in panels[len(stages) :]:
        panel.set_axis_off()
    figure.legend(handles=entries, loc="outside lower center", ncols=-(-len(entries) // lines), **_LEGEND)
    return figure


def _draw(
    panel: Axes,
    stage: Stage,
    limits: tuple[float, float, float],
    marks: ClassMarks,
    axes: Axis,
    claims: Claims,
    inches: float,
) -> None:
    x, y, half = limits
    panel.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
    across, up = axes(stage.figures)
    panel.set_xlabel(across, fontsize=8)
    panel.set_ylabel(up, fontsize=8)
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.25, linewidth=0.5)
    panel.set_axisbelow(True)
    panel.set_title(f"epoch {stage.epoch}\n{claims(stage.figures)}", fontsize=8.5)
    # Points in a fixed mixed order, in parts, so that no class covers all others.
    size = float(np.clip(30000 / len(stage.labels), 13, 34)) * (inches / _ALONE)
    for part in np.array_split(np.random.default_rng(0).permutation(len(stage.labels)), 5):
        for shape in dict.fromkeys(marks.shapes):
            own = part[np.array([marks.shapes[label] == shape for label in stage.labels[part]], bool)]
            panel.scatter(
                stage.places[own, 0],
                stage.places[own, 1],
                s=size,
                c=marks.rgb[stage.labels[own]],
                marker=shape,
                alpha=0.75,
                linewidths=0.2,
                edgecolors="white",
            )
    if marks.numbered:
        _number(panel, stage, limits, inches)


def _number(panel: Axes, stage: Stage, limits: tuple[float, float, float], inches: float) -> None:
    """Write each class's number above its median, moved aside where two would overlap."""
    middle, half = np.array(limits[:2]), limits[2]
    present, inch = np.unique(stage.labels), 2 * half / inches
    medians = np.array([np.median(stage.places[stage.labels == label], axis=0) for label in present])
    spots = apart(medians + np.array([0, 0.13 * inch]), 0.17 * inch)
    spots = middle + np.clip(spots - middle, 0.1 * inch - half, half - 0.1 * inch)
    for label, spot, median in zip(present, spots, medians, strict=True):
        panel.plot(*zip(spot, median, strict=True), color="0.15", linewidth=0.6)
        panel.text(
            spot[0],
            spot[1],
            str(label),
            ha="center",
            va="center",
            fontsize=7,
            fontweight="bold",
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def apart(spots: np.ndarray, least: float) -> np.ndarray:
    """Spots (N, 2) pushed away from each other until about ``least`` lies between any two."""
    # No two of them are the same, so that each pair has a direction.
    moved = spots + np.random.default_rng(0).normal(scale=least / 100, size=spots.shape)
    for _ in range(200):
        way = moved[:, None] - moved[None]
        distance = np.linalg.norm(way, axis=-1) + np.eye(len(moved))
        push = np.maximum(least - distance, 0) * (1 - np.eye(len(moved)))
        if push.max() < least / 20:
            break
        step = 0.5 * (way / distance[..., None] * push[..., None]).sum(1)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        moved = moved + step * np.minimum(1, 0.2 * least / np.maximum(length, 1e-12))
    return np.asarray(moved)
