"""The facts of the data that a run passes to its components, with what the data set leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from .counts import class_counts
from .colors import distinct_colors


def completed_facts(data: Any) -> dict[str, Any]:
    """A data set's facts, completed: names and colours for its classes, and how often they occur.

    Args:
        data: keeps the contract of the kind ``datasets``.
    """
    facts: dict[str, Any] = {"in_channels": 3, "ignore_index": None, **data.facts}
    classes = facts.get("num_classes")
    if classes is not None:
        facts.setdefault("class_names", tuple(str(label) for label in range(classes)))
        facts.setdefault("class_colors", tuple(distinct_colors(classes)))
        # a function, since it may have to read every mask
        facts["class_counts"] = cache(lambda: class_counts(data.split("train"), classes))
    return facts


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a file can hold: those that are not functions."""
    return {name: value for name, value in facts.items() if not callable(value)}
