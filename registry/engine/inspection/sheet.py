"""A sheet of samples: a few images of each class, or images with their masks, as one PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image, ImageOps

from ..data.colors import colorize, displayed, distinct_colors, overlay
from ..data.drawing import DPI, legend_entry, save, shown
from .scan import SplitScan, class_names, percent, sizes_in_words, spread

#: Inches of a gap between panels, of a line of text, of a letter in it, and of an entry of the legend.
_GAP, _LINE, _LETTER, _ENTRY = 0.18, 0.19, 0.075, 2.3
#: Of up to so many classes: the images of each, and the inches of an image. Of more classes than the last, some.
_ROOM: Final = ((12, 8, 0.9), (30, 6, 0.8), (80, 5, 0.62), (240, 3, 0.62))
#: Images with masks, and the inches of an image.
_PAIRS, _SIDE = 8, 2.6


class _Panel(NamedTuple):
    """Images side by side, uint8 (H, W, 3), below a name and its figures."""

    name: str
    figures: str
    images: np.ndarray


def draw_sheet(path: Path, title: str, scan: SplitScan, found: Mapping[str, Any]) -> None:
    """Write the sheet of a training split.

    Args:
        path: the PNG; an existing file is overwritten.
        title: names the data.
        scan: what was seen of the split.
        found: ``facts`` and ``splits`` as ``inspect`` gives them.

    Raises:
        InputError: a file is faulty.
    """
    number = len(class_names(found["facts"]))
    title = f"{title}: {number} class{'es' * (number != 1)}" if number else f"{title}: no classes"
    heading = [title]
    for name, split in found["splits"].items():
        heading.append(f"{name}: {split['images']:,} images, {sizes_in_words(split['sizes'])}")
    if scan.masks:
        figure = _figure(heading, _mask_panels(scan, found["facts"]), _legend(found))
    else:
        panels = _class_panels(scan, found)
        heading[0] += f", {len(panels)} of them shown" * (len(panels) < number)
        figure = _figure(heading, panels, [])
    path.parent.mkdir(parents=True, exist_ok=True)
    save(figure, path)


def _figure(heading: Sequence[str], panels: Sequence[_Panel], legend: Sequence[Patch]) -> Figure:
    """The panels in as many columns as bring the figure nearest to a page's shape."""
    sides = [side / DPI + _GAP for side in panels[0].images.shape[:2]]
    height, width = sides[0] + _LINE, sides[1]
    shapes = {n: n * width / (-(-len(panels) // n) * height) for n in range(1, len(panels) + 1)}
    columns = min(shapes, key=lambda n: abs(np.log(shapes[n] / 1.35)))
    rows = -(-len(panels) // columns)
    entries = max(1, int(columns * width / _ENTRY))
    top, bottom = (len(heading) + 2) * _LINE, (-(-len(legend) // entries) + 0.5) * _LINE
    total = top + rows * height + bottom
    figure = Figure((max(columns * width, 4.4), total))
    gaps = {"hspace": height / sides[0] - 1, "wspace": _GAP / sides[1], "left": 0, "right": 1}
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(**gaps, bottom=bottom / total, top=1 - top / total)
    for axis in axes:
        axis.set_axis_off()
    letters = int(width / _LETTER)
    for axis, panel in zip(axes, panels, strict=False):
        axis.imshow(panel.images)
        name = shown(panel.name, max(letters - len(panel.figures), 8))
        axis.set_title(name, loc="left", fontsize=8, weight="bold", pad=3)
        axis.set_title(panel.figures, loc="right", fontsize=7, color="0.35", pad=3)
    lines = [shown(line, int(columns * width / _LETTER)) for line in heading]
    figure.suptitle("\n".join(lines), y=1, va="top", fontsize=9)
    if legend:
        figure.legend(handles=legend, loc="lower center", ncols=min(entries, len(legend)), fontsize=8)
    return figure


def _side_by_side(images: Sequence[np.ndarray], number: int, height: float, width: float) -> np.ndarray:
    """Room for so many images, each as large as it fits into a white box of a size in inches."""
    rows, columns = round(height * DPI), round(width * DPI)
    room = np.full((rows, number * columns, 3), 255, np.uint8)
    for place, image in enumerate(images):
        box = (columns - 5, rows - 5)
        fitted = ImageOps.pad(Image.fromarray(displayed(image)), box, Image.Resampling.BOX, color="white")
        room[: box[1], place * columns : place * columns + box[0]] = np.asarray(fitted)
    return room


def _class_panels(scan: SplitScan, found: Mapping[str, Any]) -> list[_Panel]:
    names = class_names(found["facts"])
    members: dict[int | None, list[int]] = {label: [] for label in range(len(names))}
    for index, labels in scan.labels.items():
        for label in labels or (None,):
            members.setdefault(label, []).append(index)
    classes = list(members)
    most, number, side = next((room for room in _ROOM if len(classes) <= room[0]), _ROOM[-1])
    panels = []
    for label in (classes[at] for at in spread(len(classes), most)):
        own = members[label]
        images = [np.asarray(scan.split[own[at]]["image"]) for at in spread(len(own), number)]
        pixels = _side_by_side(images, number, side, side)
        if label is None:
            panels.append(_Panel(f"no label ({len(own)})", "", pixels))
        else:
            counts = (f"{split['counts'][names[label]]:,} {of}" for of, split in found["splits"].items())
            panels.append(_Panel(names[label], ", ".join(counts), pixels))
    return panels


def _mask_panels(scan: SplitScan, facts: Mapping[str, Any]) -> list[_Panel]:
    """Images beside the same images under their masks."""
    colors = facts.get("class_colors") or distinct_colors(len(class_names(facts)))
    samples = [scan.split[index] for index in _varied(scan.masks, facts.get("ignore_index"))]
    images = [np.asarray(sample["image"]) for sample in samples]
    height = _SIDE * min(1.0, max(image.shape[0] / image.shape[1] for image in images))
    panels = []
    for sample, image in zip(samples, images, strict=True):
        pair = (image, overlay(image, np.asarray(sample["mask"]), colors))
        panels.append(_Panel(str(sample["name"]), "", _side_by_side(pair, 2, height, _SIDE)))
    return panels


def _legend(found: Mapping[str, Any]) -> list[Patch]:
    """The classes of masks with their shares of the pixels, and the ignored label."""
    facts, figures = found["facts"], found["splits"]["train"]
    names, ignored = class_names(facts), facts.get("ignore_index")
    colors, shares = facts.get("class_colors") or distinct_colors(len(names)), figures["shares"]
    rows = [(color, name, shares[name]) for name, color in zip(names, colors, strict=False) if name in shares]
    if ignored is not None:
        name = f"{names[ignored]} (not learned)" if ignored < len(names) else f"not learned ({ignored})"
        rows.append((colorize(np.array([[ignored]]), colors)[0, 0], name, figures.get("ignored", 0.0)))
    return [legend_entry(color, f"{shown(name, 24)}  {percent(share)}") for color, name, share in rows]


def _varied(masks: Mapping[int, np.ndarray], ignored: int | None) -> list[int]:
    """A few samples: some evenly apart, then those with the most classes that the others lack."""
    indices = list(masks)
    held = {index: set(map(int, np.flatnonzero(pixels))) for index, pixels in masks.items()}
    chosen = [indices[place] for place in spread(len(indices), _PAIRS // 2)]
    seen = {ignored}.union(*(held[index] for index in chosen))
    others = [indices[place] for place in spread(len(indices), _PAIRS)]
    while len(chosen) < min(_PAIRS, len(indices)):
        rest = [index for index in indices if index not in chosen]
        best = max(rest, key=lambda index: (len(held[index] - seen), index in others))
        chosen.append(best)
        seen |= held[best]
    return sorted(chosen)
