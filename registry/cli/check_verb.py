"""``check``: every problem of a recipe at once, without doing anything."""

from __future__ import annotations

from ..catalog.registry import Registry
from ..errors import Problem
from .planning import Request, every_problem


def check(request: Request) -> list[Problem]:
    """The problems of a recipe; an empty list when it can run.

    Raises:
        PluginError: a plugin that the recipe names is broken.
    """
    return every_problem(request, Registry())
