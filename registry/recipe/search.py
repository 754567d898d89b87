"""Search spaces in a recipe: ``lr: {search: log, low: 1e-5, high: 1e-2}``, found, checked, and values put into them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final

from ..catalog.kinds import Range
from ..errors import Problem, did_you_mean
from .grammar import NOT_SEARCHED
from .study.expand import labels_of
from .types import scalar, type_of
from .yaml import BROKEN, Node, join

#: What may be written beside ``search``, by its word.
SEARCHES: Final = {
    "log": ("low", "high"),
    "linear": ("low", "high", "step"),
    "int": ("low", "high", "step"),
    "choice": ("of",),
}
_NUMBERS: Final[dict[str, Any]] = {"log": Annotated[float, Range(above=0)], "linear": float, "int": int}
_EXAMPLES: Final = {
    "log": "{search: log, low: 1e-5, high: 1e-2}",
    "linear": "{search: linear, low: 0, high: 0.5}",
    "int": "{search: int, low: 1, high: 8}",
    "choice": "{search: choice, of: [adamw, {use: sgd, momentum: 0.9}]}",
}


@dataclass(frozen=True)
class Space:
    """Values that a sweep may choose from for one place of a recipe.

    Args:
        node: what is written.
        path: the place, dotted; within a choice that of the recipe's text, such as ``optimizer.of.1.lr``.
        search: ``log`` and ``linear`` numbers, ``int``, or ``choice``.
        default: the value of the first trial: of a choice a label.
        low, high, step: of numbers, both ends included.
        options: the values of a choice by their labels.
        within: the choices, path -> label, in which it is present.
    """

    node: Node
    path: str
    search: str
    default: Any
    low: Any = None
    high: Any = None
    step: Any = None
    options: Mapping[str, Node] = field(default_factory=dict)
    within: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The place for a reader, such as ``optimizer.lr (sgd)`` for one that is present with sgd alone."""
        place = re.sub(r"\.of\.\d+", "", self.path)
        return f"{place} ({', '.join(self.within.values())})" if self.within else place

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values with which every value is valid if these are: the ends of a range, all options of a choice."""
        return tuple(self.options) or (self.low, self.high)


def is_space(node: Node) -> bool:
    """Whether a node is a search space; ``search`` beside ``use`` is an argument of that component."""
    return isinstance(node.value, dict) and "search" in node.value and "use" not in node.value


def spaces_of(root: Node, problems: list[Problem]) -> dict[str, Space]:
    """The search spaces of a recipe by their paths, one that is present in a choice after that.

    Args:
        root: the recipe.
        problems: those of spaces are appended; a faulty space is left out.
    """
    return {space.path: space for space in _below(root, "", {}, problems)}


def filled(root: Node, spaces: Mapping[str, Space], value_of: Callable[[Space], Any]) -> Node:
    """A copy of a tree with a value in place of each space, ``BROKEN`` in that of a faulty one.

    Args:
        root: the recipe.
        spaces: of ``spaces_of``.
        value_of: asked for the value of each space that is present, in their order.
    """

    def copied(node: Node, path: str) -> Node:
        if is_space(node):
            if (space := spaces.get(path)) is None:
                return Node(BROKEN, node.location)
            value = value_of(space)
            if space.options:
                return copied(space.options[value], f"{path}.of.{list(space.options).index(value)}")
            return Node(value, node.location, "search: linear" if space.search == "linear" else repr(value))
        if isinstance(node.value, dict):
            return Node({key: copied(child, join(path, key)) for key, child in node.children()}, node.location)
        if isinstance(node.value, list):
            return Node([copied(child, join(path, key)) for key, child in node.children()], node.location)
        return node.copy()

    return copied(root, "")


def _below(node: Node, path: str, within: Mapping[str, str], problems: list[Problem]) -> Iterator[Space]:
    """The spaces below a node."""
    for key, child in node.children():
        yield from _at(child, join(path, key), within, problems)


def _at(node: Node, path: str, within: Mapping[str, str], problems: list[Problem]) -> Iterator[Space]:
    """The spaces at a node and below it."""
    if not is_space(node):
        yield from _below(node, path, within, problems)
        return
    before, space = len(problems), None
    hint: str | None
    word = node.value["search"].value
    section = path.partition(".")[0]
    if section in NOT_SEARCHED or path in ("trainer", "trainer.use"):
        hint = "search what the network is and how it learns, such as model, optimizer.lr or trainer.ema"
        problems.append(node.problem(path, "cannot be searched: all trials share it, so that they compare", hint))
    elif word not in SEARCHES:
        hint = did_you_mean(str(word), SEARCHES, _EXAMPLES["log"])
        problems.append(node.problem(path, f"expected search: {', '.join(SEARCHES)}, got {word!r}", hint))
    else:
        for key, value in node.value.items():
            if key not in ("search", "default", *SEARCHES[word]):
                hint = did_you_mean(key, SEARCHES[word], _EXAMPLES[word])
                problems.append(value.problem(f"{path}.{key}", f"search: {word} has no {key!r}", hint))
        space = (_choice if word == "choice" else _range)(node, path, within, problems)
    if space is not None and len(problems) == before:
        yield space
        for number, (label, option) in enumerate(space.options.items()):
            yield from _at(option, f"{path}.of.{number}", {**within, path: label}, problems)


def _range(node: Node, path: str, within: Mapping[str, str], problems: list[Problem]) -> Space | None:
    word, given = node.value["search"].value, {}
    for key in ("low", "high", "step", "default"):
        if (child := node.value.get(key)) is not None:
            found = scalar(child, type_of(_NUMBERS[word]), f"{path}.{key}")
            if isinstance(found, Problem):
                problems.append(found)
                return None
            given[key] = found
        elif key in ("low", "high"):
            problems.append(node.problem(path, f"is missing: search: {word} needs {key!r}", _EXAMPLES[word]))
            return None
    low, high, step = given["low"], given["high"], given.get("step")
    if not low < high:
        message = f"low is {low:g}, which is not below high, {high:g}"
        problems.append(node.problem(path, message, _EXAMPLES[word]))
        return None
    if step is not None:
        if not 0 < step <= high - low:
            message = f"expected a number above 0 and at most {high - low:g}, got {step:g}"
            problems.append(node.value["step"].problem(f"{path}.step", message))
            return None
        high = _on_grid(low, high, step)
    default = given.get("default", _middle(word, low, high, step))
    if not low <= default <= high:
        message = f"expected a number from {low:g} to {high:g}, got {default:g}"
        problems.append(node.value["default"].problem(f"{path}.default", message))
        return None
    return Space(node, path, word, default, low, high, step, within=within)


def _middle(word: str, low: Any, high: Any, step: Any) -> Any:
    """The geometric middle with three digits, the middle, or the value of a grid that is nearest below it."""
    if word == "log":
        return min(max(float(f"{math.sqrt(low) * math.sqrt(high):.3g}"), low), high)
    if step is not None or word == "int":
        return _on_grid(low, (low + high) / 2, step or 1)
    return (low + high) / 2


def _on_grid(low: Any, value: Any, step: Any) -> Any:
    """The last of ``low``, ``low + step``, ... that is not above a value, exact in decimals."""
    first, size = Decimal(str(low)), Decimal(str(step))
    return type(low)(first + (Decimal(str(value)) - first) // size * size)


def _choice(node: Node, path: str, within: Mapping[str, str], problems: list[Problem]) -> Space | None:
    of = node.value.get("of")
    if of is None or not isinstance(of.value, list) or len(of.value) < 2:
        message = "expected a list of two or more values under 'of'"
        problems.append((of or node).problem(f"{path}.of", message, _EXAMPLES["choice"]))
        return None
    values = [option.plain() for option in of.value]
    labels = labels_of(["range" if is_space(each) else each.plain() for each in of.value])
    if twice := next((at for at, label in enumerate(labels) if label in labels[:at]), None):
        message = f"{labels[twice]} is in it twice"
        problems.append(of.value[twice].problem(f"{path}.of.{twice}", message, "give each value once"))
        return None
    wanted = node.value.get("default")
    default = labels[0]
    if wanted is not None:
        if wanted.plain() not in values and wanted.plain() not in labels:
            hint = did_you_mean(str(wanted.plain()), labels, f"one of: {', '.join(labels)}")
            problems.append(wanted.problem(f"{path}.default", "is not one of the values under 'of'", hint))
            return None
        found = values if wanted.plain() in values else labels
        default = labels[found.index(wanted.plain())]
    return Space(node, path, "choice", default, options=dict(zip(labels, of.value, strict=True)), within=within)
