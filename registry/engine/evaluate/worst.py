"""The worst images of an evaluation, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..data.classes import Classes
from ..data.colors import colorize
from ..data.drawing import legend_entry, shown
from ..data.images import Pixels

#: Longest side of a panel in pixels; larger pictures are thinned out.
_SIDE = 480
#: Width of a panel in inches.
_PANEL = 1.75
#: The legend names so many classes at most.
_LEGEND = 60


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
        return Example(self.name, self.caption, *(_thin(part) for part in (self.image, self.truth, self.predicted)))


def draw(examples: Sequence[Example], classes: Classes, title: str) -> Figure:
    """The sheet: image, truth and prediction of each, or the image alone where it has no mask.

    Args:
        examples: at least one; all with masks, or all without.
        classes: names and colours of the labels.
        title: the figure's heading.
    """
    panels = [_panels(example, classes) for example in examples]
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
    # Examples side by side are set apart by an empty column.
    ratios = ([1.0] * width + [0.08]) * abreast
    axes = figure.subplots(rows, len(ratios) - 1, squeeze=False, gridspec_kw={"width_ratios": ratios[:-1]})
    for axis in axes.flat:
        axis.set_axis_off()
    letters = int(panel * 13)
    for place, (example, parts) in enumerate(zip(examples, panels, strict=True)):
        row, first = place // abreast, place % abreast * (width + 1)
        for offset, (heading, picture) in enumerate(parts):
            axis = axes[row, first + offset]
            axis.imshow(picture, interpolation="nearest")
            if width == 1:
                told = [shown(line, letters) for line in example.caption.splitlines()]
                axis.set_title("\n".join([shown(example.name, letters, keep_end=True), *told]), fontsize=8)
            else:
                name = example.name if offset == 0 else example.caption if offset == len(parts) - 1 else ""
                axis.set_title(f"{shown(name, letters, keep_end=True)}\n{heading}", fontsize=8)
    figure.suptitle(f"{shown(title)}\nthe {len(examples)} worst images", fontsize=11)
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=min(columns, len(patches)), fontsize=7.5)
    return figure


def _panels(example: Example, classes: Classes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [] if example.image is None else [("image", example.image)]
    for heading, mask in (("truth", example.truth), ("prediction", example.predicted)):
        if mask is not None:
            found.append((heading, colorize(mask, classes.colors)))
    return found


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


def _thin(pixels: Pixels | None) -> Pixels | None:
    if pixels is None:
        return None
    step = -(-max(pixels.shape[:2]) // _SIDE)
    return np.ascontiguousarray(pixels[::step, ::step])
