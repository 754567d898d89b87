"""The labels of a data set's truth: their names and colours, and which of them count in scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, did_you_mean
from .colors import GREY, Color, distinct_colors, rgb


@dataclass(frozen=True)
class Classes:
    """The labels that a truth can hold, and which of them count.

    Attributes:
        names: of all labels, K of them; an ignored label that is not a class comes last.
        colors: (R, G, B) in 0..255 of each.
        ignored: the index of the label that is not to be learned; None without one.
        count_against: whether a class predicted where the truth is ignored counts against that class; else such pixels
            are left out.
        left_out: indices of the labels left out of means over the classes.
        ignore_index: what the truth holds for ``ignored``, where that is another number, such as 255.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignored: int | None = None
    count_against: bool = False
    left_out: frozenset[int] = frozenset()
    ignore_index: int | None = None

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
            InputError: ``left_out`` has a name that is not a class's, leaves no class, or keeps one whose pixels are
                left out.
        """
        names = tuple(names)
        table: list[Color] = [(int(c[0]), int(c[1]), int(c[2])) for c in colors or distinct_colors(len(names))]
        for name in left_out or ():
            if name not in names:
                raise InputError.of("left_out", f"{name!r} is not a class", did_you_mean(name, names))
        out, ignored = {names.index(name) for name in left_out or ()}, ignore_index
        if ignored is not None and not 0 <= ignored < len(names):
            names, table, ignored = (*names, "ignored"), [*table[: len(names)], GREY], len(names)
            out.add(ignored)
        elif ignored is not None and left_out is None:
            out.add(ignored)
        elif ignored is not None and ignored not in out and not count_against:
            # Its pixels are left out, so it has no score.
            message = f"{names[ignored]!r} is the class that is ignored, so it cannot be in the mean"
            raise InputError.of("left_out", message, f"name {names[ignored]!r} here too, or leave it to the default")
        if len(out) >= len(names):
            raise InputError.of("left_out", "leaves no class to take the mean over", "name fewer classes")
        return cls(names, tuple(table), ignored, count_against, frozenset(out), ignore_index)

    def __len__(self) -> int:
        return len(self.names)


def classes_of(facts: Mapping[str, Any], *, count_against: bool, left_out: Sequence[str] | None) -> Classes:
    """The classes in a run's facts; see ``Classes.of``."""
    names = facts.get("class_names") or [str(label) for label in range(facts["num_classes"])]
    labels = (names, facts.get("class_colors"), facts.get("ignore_index"))
    return Classes.of(*labels, count_against=count_against, left_out=left_out)


@dataclass(frozen=True)
class KnownClasses:
    """Classes that are known before any mask is read.

    Attributes:
        names: in the order of their labels.
        colors: in masks that hold colours; None when not known.
        ignore_index: the ignored label, whether or not it is one of the classes.
        left_out: names of those left out of means; None for the ignored one.
        given: whether they were given, and not found in the truth.
    """

    names: Sequence[str]
    colors: Sequence[Any] | None = None
    ignore_index: int | None = None
    left_out: Sequence[str] | None = None
    given: bool = False

    def ignored(self, ignore: str | None, labels: Sequence[int], as_colors: bool) -> tuple[int | None, int | None]:
        """The index of the ignored label (``len(names)`` where it is not a class), and what masks hold for it then.

        Args:
            ignore: what the user wrote; None for ``ignore_index``.
            labels: what masks hold for each class.
            as_colors: whether these are colours.

        Raises:
            InputError: ``ignore`` is neither a class nor a value or colour.
        """
        outside = len(self.names)
        if ignore is None:
            index = self.ignore_index
            if index is None or index < outside:
                return index, None
            return outside, None if as_colors else index
        if ignore in self.names:
            return list(self.names).index(ignore), None
        value = _parsed(ignore, as_colors)
        if value is None:
            what = "a colour, as in '#000000'" if as_colors else "a value, as in 255"
            hint = f"expected one of the classes ({', '.join(list(self.names)[:12])}) or {what}"
            raise InputError.of("--ignore", f"{ignore!r} is not a class", hint)
        return (list(labels).index(value), None) if value in labels else (outside, value)


def parse_classes(text: str) -> KnownClasses:
    """The classes of ``--classes``: ``urban,water`` or ``urban=#00ffff,water=#0000ff``.

    Raises:
        InputError: a repeated name or colour, a word that is not a colour, or colours for some classes only.
    """
    names, colors = [], []
    for item in text.split(","):
        name, given, color = (part.strip() for part in item.partition("="))
        value = _parsed(color, True) if given else None
        if not name or (given and value is None):
            message = f"expected NAME or NAME=#rrggbb, got {item!r}"
            raise InputError.of("--classes", message, "urban=#00ffff,water=#0000ff")
        names.append(name)
        colors += [rgb(value)] if value is not None else []
    if len(set(names)) < len(names) or len(set(colors)) < len(colors):
        raise InputError.of("--classes", "repeats a name or a colour")
    if colors and len(colors) < len(names):
        raise InputError.of("--classes", "gives a colour to some classes only", "give all of them one, or none")
    if len(names) > 256:
        raise InputError.of("--classes", f"expected 256 names at most, got {len(names)}")
    return KnownClasses(names, colors or None, given=True)


def _parsed(word: str, as_color: bool) -> int | None:
    """The colour ``#rrggbb`` as a number, or a value 0..255; None for anything else."""
    if as_color:
        return int(word[1:], 16) if re.fullmatch("#[0-9a-fA-F]{6}", word) else None
    return int(word) if re.fullmatch("[0-9]{1,3}", word) and int(word) <= 255 else None
