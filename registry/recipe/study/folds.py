"""``split: {folds: 5}``: one recipe, a run for each part of the images that is held out."""

from __future__ import annotations

import re
from collections.abc import Collection

from ...errors import Problem
from ..grammar import MOST_RUNS, SplitSettings
from ..yaml import Node

_FOLD = "split.fold"


def axis(tree: Node, axes: Collection[str] = ()) -> dict[str, list[Node]]:
    """The folds with which a recipe is crossed, by their path; empty where it has none, or names one of them itself."""
    split = tree.get("split")
    number, fold = (None, None) if split is None else (split.get("folds"), split.get("fold"))
    if number is None or type(number.value) is not int or fold is not None or _FOLD in axes:
        return {}
    if number.value > MOST_RUNS:  # which is reported when the recipe is planned
        return {}
    return {_FOLD: [Node(fold, number.location, str(fold)) for fold in range(1, number.value + 1)]}


def problems(node: Node, settings: SplitSettings) -> list[Problem]:
    """What is wrong with settings of a split that exclude or need one another.

    Args:
        node: the section ``split``.
        settings: read from it.
    """

    def problem(key: str, message: str, hint: str) -> Problem:
        return (node.get(key) or node).problem(f"split.{key}", message, hint)

    found = []
    if settings.folds is None:
        for key in ("fold", "group", "group_file"):
            if getattr(settings, key) is not None:
                hint = "split: {folds: 5} is a study; split: {folds: 5, fold: 1} is one run that holds out a fifth"
                found.append(problem(key, "goes with folds alone", hint))
    else:
        for key in ("val", "file"):
            if node.get(key) is not None:
                found.append(problem(key, "contradicts split.folds", "keep one of the two"))
        if settings.fold is None:  # a matrix, or a reference, has brought them after the runs were made
            hint = "write a number under split: of the recipe, or of each of its runs"
            found.append(problem("folds", "cannot be set by a matrix or a reference", hint))
        elif settings.fold > settings.folds:
            message = f"expected a fold from 1 to {settings.folds}, got {settings.fold}"
            found.append(problem("fold", message, "leave it out, and all folds are run"))
    if settings.group is not None and settings.group_file is not None:
        found.append(problem("group_file", "contradicts split.group", "keep one of the two"))
    try:
        re.compile(settings.group or "")
    except re.error as error:
        hint = "such as '[^_]+' for what precedes the first underscore"
        found.append(problem("group", f"is not a regular expression: {error}", hint))
    return found
