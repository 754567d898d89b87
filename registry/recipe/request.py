"""From the command to the plan: a recipe file is loaded, each of its runs is planned, and all problems are collected.

The demo takes the place of data that are not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..catalog.registry import Registry
from ..errors import InputError, Problem
from .load import Files, Recipe, load
from .plan import Plan
from .planner import make_plan
from .study import Member

#: More problems than this are counted, not listed.
MOST_LISTED: Final = 100


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line.

    Args:
        recipe: the recipe file.
        sets, unsets: ``--set`` and ``--unset`` options.
        demo: whether the demo was asked for.
        out: the folder of the run, or of all runs of a study.
    """

    recipe: Path
    sets: Sequence[str] = ()
    unsets: Sequence[str] = ()
    demo: bool = False
    out: Path | None = None


@dataclass(frozen=True)
class PlannedRun:
    """A plan, and what it is in a study; ``member`` is None for a recipe of one run."""

    member: Member | None
    plan: Plan


@dataclass(frozen=True)
class _Checked:
    """The plans and problems of a request; ``demo_instead`` where the data are not there and the demo can run."""

    recipe: Recipe
    plans: list[PlannedRun]
    problems: list[Problem]
    demo_instead: bool


def planned(request: Request, registry: Registry) -> Plan:
    """The plan of a request for one run.

    Raises:
        InputError: with every problem; also where the recipe has several runs.
        PluginError: a plugin that the recipe names is broken.
    """
    plans = planned_runs(request, registry)
    if len(plans) > 1 or plans[0].member is not None:
        names = ", ".join(run.member.name for run in plans[:6] if run.member)
        raise InputError.of(str(request.recipe), f"has {len(plans)} runs ({names}), and one is wanted")
    return plans[0].plan


def planned_runs(request: Request, registry: Registry) -> list[PlannedRun]:
    """The plans of a recipe's runs, each after those that it needs.

    Raises:
        InputError: with every problem of every run.
        PluginError: a plugin that the recipe names is broken.
    """
    files = Files()
    checked = _check(request, registry, files)
    if checked.demo_instead and not checked.problems:
        checked = _check(replace(request, demo=True), registry, files)
    if checked.problems:
        raise InputError(_listed(checked.problems))
    return checked.plans


def every_problem(request: Request, registry: Registry) -> list[Problem]:
    """The problems of a recipe, those of its ``demo:`` section included; none when it can run."""
    files = Files()
    checked = _check(request, registry, files)
    found = checked.problems
    if checked.recipe.has_demo and not request.demo:
        found = found + _check(replace(request, demo=True), registry, files).problems
    return _listed(found)


def _check(request: Request, registry: Registry, files: Files) -> _Checked:
    """Load a recipe and plan its runs.

    The demo runs instead only where the missing root is the recipe's own: a root that the user named has to exist.
    """
    recipe = load(
        request.recipe, sets=request.sets, unsets=request.unsets, demo=request.demo, folder=request.out, files=files
    )
    runs = recipe.members or (() if recipe.is_study else ((None, recipe),))
    plans, problems, missing = list[PlannedRun](), list(recipe.problems), list[Problem]()
    for member, own in runs:
        missing += _missing_root(own)
        try:
            plans.append(PlannedRun(member, make_plan(own, registry)))
        except InputError as error:
            problems += error.problems
    untouched = recipe.touched.isdisjoint({"data", "data.root"})
    demo_instead = bool(missing) and recipe.has_demo and not request.demo and untouched
    return _Checked(recipe, plans, problems if demo_instead else [*missing, *problems], demo_instead)


def _missing_root(recipe: Recipe) -> list[Problem]:
    """The problem of a data set's root that does not exist; none where it does, and where the data will be made."""
    sections = recipe.root.value if isinstance(recipe.root.value, dict) else {}
    data = sections.get("data")
    node = data.value.get("root") if data is not None and isinstance(data.value, dict) else None
    if node is None or not isinstance(node.value, str) or "make" in sections:
        return []
    if os.path.exists(Path(node.value).expanduser()):  # noqa: PTH110 - False, too, for a name too long for a file
        return []
    hint = "unpack the data there, or name the folder: --set data.root=FOLDER"
    if recipe.has_demo:
        hint += ", or try the recipe on data made on the spot: --demo"
    return [node.problem("data.root", f"there is no folder {node.value!r}", hint)]


def _listed(problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of many in the order of their lines, each once, and how many more there are."""
    found = sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0))
    more = len(found) - MOST_LISTED
    if more <= 1:
        return found
    return [*found[:MOST_LISTED], Problem("recipe", f"has {more:,} more problems, which are not listed", "fix these")]
