"""How a scatter plot distinguishes classes: by colour and shape; where they are many, by number, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from registry.engine import MARKERS

from .figures import in_short, literal

#: Up to so many classes have no numbers on the map.
_BY_LEGEND = 15
#: Letters of a class's name in a legend.
_LETTERS = 28


@dataclass(frozen=True)
class ClassMarks:
    """The classes' marks.

    Args:
        names: in the order of the labels.
        colors: (R, G, B) in 0..255, one a class.
    """

    names: Sequence[str]
    colors: Sequence[Any]

    @cached_property
    def rgb(self) -> np.ndarray:
        """(classes, 3) in 0..1."""
        return np.asarray(self.colors, np.float64).reshape(-1, 3) / 255

    @cached_property
    def shapes(self) -> list[str]:
        """Of each class; classes of like colours have unlike shapes."""
        taken: list[int] = []
        for color in self.rgb:
            near = [
                min((np.abs(color - self.rgb[i]).sum() for i, t in enumerate(taken) if t == shape), default=np.inf)
                for shape in range(len(MARKERS))
            ]
            taken.append(int(np.argmax(near)))
        return [MARKERS[index] for index in taken]

    @property
    def numbered(self) -> bool:
        """Whether the map shows the classes' numbers."""
        return len(self.names) > _BY_LEGEND

    def legend(self) -> list[Line2D]:
        """An entry for each class."""
        entries = []
        for index, (name, color, shape) in enumerate(zip(self.names, self.rgb, self.shapes, strict=True)):
            shown = in_short(name, _LETTERS)
            if self.numbered and name != str(index):
                shown = f"{index}  {shown}"
            entries.append(
                Line2D([], [], linestyle="", marker=shape, markersize=6, color=tuple(color), label=literal(shown))
            )
        return entries
