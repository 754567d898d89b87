"""The labels of a data set's truth: their names and colours, and which of them count in scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import InputError, did_you_mean
from .colors import Color, distinct_colors

#: The colour of an ignored label that is no class.
_IGNORED: Final[Color] = (110, 110, 110)


@dataclass(frozen=True)
class Classes:
    """The labels that a truth can hold, and which of them count.

    Attributes:
        names: of all labels, K of them; an ignored label that is no class comes last.
        colors: (R, G, B) in 0..255 of each.
        ignored: the index of the label that is not to be learned; None without one.
        count_against: whether a class predicted where the truth is ignored counts against that class, as NTU's DLCV
            course measures; else such pixels are forgotten.
        left_out: indices of the labels left out of means over the classes.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignored: int | None = None
    count_against: bool = False
    left_out: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        colors: Sequence[Any] | None = None,
        ignore_index: int | None = None,
        *,
        count_against: bool = False,
        left_out: Sequence[str] | None = None,
    ) -> Classes:
        """Classes and the ignored label, one of them or none of them.

        Args:
            names, colors: of the classes.
            ignore_index: the ignored label.
            count_against: see the attribute.
            left_out: names of the classes left out of means; when None, the ignored one.

        Raises:
            InputError: ``left_out`` names no class, or leaves none.
        """
        names = tuple(names)
        table: list[Color] = [(int(c[0]), int(c[1]), int(c[2])) for c in colors or distinct_colors(len(names))]
        ignored, outside = ignore_index, ignore_index is not None and not 0 <= ignore_index < len(names)
        for name in left_out or ():
            if name not in names:
                raise InputError.of("left_out", f"there is no class {name!r}", did_you_mean(name, names))
        out = {names.index(name) for name in left_out} if left_out is not None else {ignored} - {None}
        if outside:
            ignored, out = len(names), out - {ignore_index} | {len(names)}
            names, table = (*names, "ignored"), [*table[: len(names)], _IGNORED]
        if ignored is not None and not count_against:
            out |= {ignored}  # its pixels are forgotten, so it can have no figure
        if len(out) >= len(names):
            raise InputError.of("left_out", "leaves no class to take the mean over", "name fewer classes")
        return cls(
            names, tuple(table), ignored, count_against, frozenset(int(index) for index in out if index is not None)
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kept(self) -> list[int]:
        """The indices that means are taken over, in order."""
        return [index for index in range(len(self.names)) if index not in self.left_out]


def classes_of(facts: Mapping[str, Any], *, count_against: bool, left_out: Sequence[str] | None) -> Classes:
    """The classes in a run's facts; see ``Classes.of``."""
    names = facts.get("class_names") or [str(label) for label in range(facts["num_classes"])]
    labels = (names, facts.get("class_colors"), facts.get("ignore_index"))
    return Classes.of(*labels, count_against=count_against, left_out=left_out)
