"""A sheet of samples: a few images of each class, or images with their masks, as one PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from ...files import atomic_write
from .scan import SplitScan, class_names, percent, sizes_in_words, spread
from .colors import colorize, distinct_colors, overlay

_DPI: Final = 110
#: Inches around the sheet and between its parts, of a line of text, and of a legend's entry at least.
_MARGIN, _GAP, _LINE, _ENTRY = 0.2, 0.18, 0.19, 2.3
#: Of up to so many classes: the images of each, and the inches of an image. Of more classes than the last, some.
_ROOM: Final = ((12, 8, 0.9), (30, 6, 0.8), (80, 5, 0.62), (240, 3, 0.62))
#: Images with masks, two of them side by side, and the inches of a picture.
_PAIRS, _BESIDE, _PICTURE = 8, 2, 2.6


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
    page = _mask_sheet(title, scan, found) if scan.masks else _class_sheet(title, scan, found)
    page.write(path)


class _Page:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), dpi=_DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.width, self.height = width, height
        self._frame()

    def _frame(self) -> None:
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0), aspect="auto")

    def picture(self, pixels: np.ndarray, x: float, y: float, width: float, height: float) -> None:
        """Draw an image as large as it fits, in the middle of a box."""
        rows, columns = pixels.shape[:2]
        scale = min(width / columns, height / rows)
        # Twice what is shown is enough, and spares the drawing of large photographs.
        most = max(int(2 * _DPI * scale * max(rows, columns)), 1)
        if max(rows, columns) > most:
            small = Image.fromarray(pixels)
            small.thumbnail((most, most), Image.Resampling.LANCZOS)
            pixels = np.asarray(small)
        left, top = x + (width - scale * columns) / 2, y + (height - scale * rows) / 2
        self.axes.imshow(pixels, extent=(left, left + scale * columns, top + scale * rows, top))
        self._frame()

    def patch(self, color: Sequence[int], x: float, y: float, size: float) -> None:
        """Draw a square of a colour, (R, G, B) in 0..255."""
        face = (color[0] / 255, color[1] / 255, color[2] / 255)
        self.axes.add_patch(Rectangle((x, y), size, size, facecolor=face, edgecolor="0.4", linewidth=0.5))

    def text(self, words: str, x: float, y: float, most: float, size: float = 8, **style: Any) -> float:
        """Write one line, its middle at height y, cut to at most so many inches; gives those that it takes."""
        # Names are shown letter by letter: no dollar begins a formula.
        line: Text = self.axes.text(x, y, words, fontsize=size, va="center", parse_math=False, **style)
        width = self._width_of(line)
        while width > most and len(words) > 1:
            words = words[: min(int(len(words) * most / width), len(words) - 1)]
            line.set_text(f"{words.rstrip()}…")
            width = self._width_of(line)
        return width

    def _width_of(self, line: Text) -> float:
        extent = line.get_window_extent(self.canvas.get_renderer())  # type: ignore[no-untyped-call]
        return float(extent.width) / _DPI

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, "wb") as file:
            self.figure.savefig(file, format="png", facecolor="white")


def _class_sheet(title: str, scan: SplitScan, found: Mapping[str, Any]) -> _Page:
    names = class_names(found["facts"])
    members: dict[int | None, list[int]] = {label: [] for label in range(len(names))}
    for index, label in scan.labels.items():
        members.setdefault(label, []).append(index)
    shown = list(members)
    most, number, cell = next((room for room in _ROOM if len(shown) <= room[0]), _ROOM[-1])
    if len(shown) > most:
        title = f"{title}, {most} of them shown"
        shown = [shown[place] for place in spread(len(shown), most)]
    width, height = number * cell, _LINE + cell + 0.08
    columns = _columns(len(shown), width + _GAP, height + _GAP)
    rows = -(-len(shown) // columns)
    page = _page(title, found, columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP)
    for place, label in enumerate(shown):
        x = _MARGIN + place % columns * (width + _GAP)
        y = _top(found) + place // columns * (height + _GAP)
        middle = y + _LINE / 2
        counted = "" if label is None else _counts(names[label], found)
        taken = page.text(counted, x + width, middle, width, 7, ha="right", color="0.35") if counted else 0.0
        name = f"no label ({len(members[label])})" if label is None else names[label]
        page.text(name, x, middle, width - taken - 0.08, weight="bold")
        for column, at in enumerate(spread(len(members[label]), number)):
            pixels = np.asarray(scan.split[members[label][at]]["image"])
            page.picture(pixels, x + column * cell, y + _LINE + 0.04, cell - 0.05, cell - 0.05)
        if not members[label]:
            page.text("no images", x, y + _LINE + cell / 2, width, color="0.5")
    return page


def _mask_sheet(title: str, scan: SplitScan, found: Mapping[str, Any]) -> _Page:
    facts, figures = found["facts"], found["splits"]["train"]
    names, ignored = class_names(facts), facts.get("ignore_index")
    colors = [*(facts.get("class_colors") or distinct_colors(len(names)))]
    samples = [scan.split[index] for index in _varied(scan.masks, ignored)]
    shape = max(sample["image"].shape[0] / sample["image"].shape[1] for sample in samples)
    width, height = 2 * _PICTURE, _LINE + _PICTURE * min(shape, 1.0)
    across = min(_BESIDE, len(samples))
    rows = -(-len(samples) // across)
    legend: list[tuple[str, float, Sequence[int]]] = [
        (name, figures["shares"][name], color)
        for label, (name, color) in enumerate(zip(names, colors, strict=False))
        if label != ignored
    ]
    if ignored is not None:
        name = f"{names[ignored]} (not learned)" if ignored < len(names) else f"not learned ({ignored})"
        legend.append((name, figures.get("ignored", 0.0), colorize(np.full((1, 1), ignored), colors)[0, 0]))
    drawn = across * (width + _GAP) - _GAP
    entry = (drawn + _GAP) / max(int((drawn + _GAP) / _ENTRY), 1)
    lines = -(-len(legend) // round((drawn + _GAP) / entry))
    below = rows * (height + _GAP)
    page = _page(title, found, drawn, below + lines * _LINE)
    for place, sample in enumerate(samples):
        x = _MARGIN + place % across * (width + _GAP)
        y = _top(found) + place // across * (height + _GAP)
        page.text(str(sample["name"]), x, y + _LINE / 2, width)
        image = np.asarray(sample["image"])
        for side, pixels in enumerate((image, overlay(image, np.asarray(sample["mask"]), colors))):
            page.picture(pixels, x + side * _PICTURE, y + _LINE, _PICTURE - 0.04, height - _LINE)
    for place, (name, share, color) in enumerate(legend):
        x = _MARGIN + place // lines * entry
        y = _top(found) + below + (place % lines + 0.5) * _LINE
        page.patch(color, x, y - 0.06, 0.12)
        end = x + entry - _GAP
        taken = page.text(percent(share), end, y, 1, ha="right", color="0.35")
        page.text(name, x + 0.19, y, end - x - 0.19 - taken - 0.08)
    return page


def _varied(masks: Mapping[int, np.ndarray], ignored: int | None) -> list[int]:
    """A few samples: some evenly apart, then those with the most classes that the others lack."""
    indices = list(masks)
    chosen = [indices[place] for place in spread(len(indices), _PAIRS // 2)]
    seen = {ignored}
    held = {index: set(map(int, np.flatnonzero(pixels))) for index, pixels in masks.items()}
    seen.update(*(held[index] for index in chosen))
    others = [indices[place] for place in spread(len(indices), _PAIRS)]
    while len(chosen) < min(_PAIRS, len(indices)):
        rest = [index for index in indices if index not in chosen]
        best = max(rest, key=lambda index: (len(held[index] - seen), index in others))
        chosen.append(best)
        seen |= held[best]
    return sorted(chosen)


def _page(title: str, found: Mapping[str, Any], width: float, height: float) -> _Page:
    """An empty page with its heading."""
    width = max(width, 4.0)
    page = _Page(width + 2 * _MARGIN, _top(found) + height + _MARGIN)
    page.text(title, _MARGIN, _MARGIN + 0.1, width, 11, weight="bold")
    for line, (name, split) in enumerate(found["splits"].items()):
        words = f"{name}: {split['images']:,} images, {sizes_in_words(split['sizes'])}"
        page.text(words, _MARGIN, _MARGIN + 0.34 + line * _LINE, width, color="0.35")
    return page


def _top(found: Mapping[str, Any]) -> float:
    """Inches above the content, under the heading."""
    return float(_MARGIN + 0.34 + _LINE * len(found["splits"]) + 0.06)


def _counts(name: str, found: Mapping[str, Any]) -> str:
    return ", ".join(f"{split['counts'][name]:,} {which}" for which, split in found["splits"].items())


def _columns(number: int, width: float, height: float) -> int:
    """The columns of so many boxes with which the whole is nearest to a page's shape."""
    shape = {c: c * width / (-(-number // c) * height) for c in range(1, number + 1)}
    return min(shape, key=lambda columns: abs(np.log(shape[columns] / 1.35)), default=1)
