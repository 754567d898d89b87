"""Runs chosen by their settings: ``--where model=timm/*``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..errors import InputError, did_you_mean
from .diff import settings
from .runs import FinishedRun


def chosen(runs: Sequence[FinishedRun], conditions: Sequence[str]) -> list[FinishedRun]:
    """The runs that meet every condition.

    Args:
        conditions: ``PATH=PATTERN``: a setting's dotted path as in a recipe, and its value, in which ``*`` and ``?``
            stand for letters.

    Raises:
        InputError: a condition without ``=``, a setting that no run has, or no run that meets all conditions.
    """
    known = {id(run): settings(run.plan) for run in runs}
    paths = sorted({path for each in known.values() for path in each})
    for condition in conditions:
        path, equals, pattern = condition.partition("=")
        path = path.removesuffix(".use")
        if not equals or not pattern:
            raise InputError.of("--where", f"expected PATH=PATTERN, got {condition!r}", "such as model=timm/*")
        if path not in paths:
            raise InputError.of("--where", f"no run has a setting {path!r}", did_you_mean(path, paths, "see plan.json"))
        runs = [run for run in runs if path in known[id(run)] and fnmatchcase(_text(known[id(run)][path]), pattern)]
    if not runs:
        raise InputError.of("--where", f"no run meets {' and '.join(conditions)}")
    return list(runs)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
