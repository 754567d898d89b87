"""From the command to the plan: a recipe file is loaded, each of its runs is planned, and all problems are collected.

The demo replaces data that are not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from ..catalog.registry import Registry
from ..errors import InputError, Problem, did_you_mean
from .grammar import SECTIONS, SweepSettings
from .load import Files, Recipe, load
from .plan import Plan
from .planner import make_plan, plan_value
from .types import type_of

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


def planned(request: Request, registry: Registry) -> Plan:
    """The plan of a request for one run.

    Raises:
        InputError: with every problem; also where the recipe has several runs.
        PluginError: a plugin that the recipe names is broken.
    """
    plans = planned_runs(request, registry)
    if plans[0].recipe.title:
        names = ", ".join(plan.recipe.title for plan in plans[:6])
        raise InputError.of(str(request.recipe), f"has {len(plans)} runs ({names}), expected one")
    return plans[0]


def planned_runs(request: Request, registry: Registry) -> list[Plan]:
    """The plans of a recipe's runs, each after those that it needs; of its demo where only its data are missing.

    Raises:
        InputError: with every problem of every run.
        PluginError: a plugin that the recipe names is broken.
    """
    recipe, plans = _without_problems(request, registry)
    if recipe.spaces:
        space = next(iter(recipe.spaces.values()))
        hint = f"look for a good value: hw1cli sweep {recipe.path}; or give one: --set {space.path}={space.default}"
        raise InputError([space.node.problem(space.path, "is a search space, and a run needs a value", hint)])
    return plans


def planned_sweep(request: Request, registry: Registry) -> tuple[Plan, SweepSettings]:
    """The plan of a recipe with its search spaces' default values, and how these are searched.

    Every end and every option of a space is valid, too; raises as ``planned_runs``.
    """
    recipe, plans = _without_problems(request, registry)
    if not recipe.spaces:
        hint = "give a setting a range: optimizer: {lr: {search: log, low: 1e-5, high: 1e-2}}"
        raise InputError.of(str(recipe.path), "has no search space", hint)
    if missing := [problem for plan in plans for problem in plan.missing()]:
        raise InputError(_listed(missing))
    return plans[0], _sweep_settings(recipe, registry)


def _sweep_settings(recipe: Recipe, registry: Registry) -> SweepSettings:
    if recipe.sweep is None:
        return SweepSettings()
    settings: SweepSettings = plan_value(recipe.sweep, type_of(SECTIONS["sweep"].type), "sweep", registry)
    return settings


def _without_problems(request: Request, registry: Registry) -> tuple[Recipe, list[Plan]]:
    """A recipe and its plans; of its demo where only its data are missing."""
    files = Files()
    recipe, plans, problems, demo_instead = _check(request, registry, files)
    if demo_instead and not problems:
        recipe, plans, problems, _ = _check(replace(request, demo=True), registry, files)
    if problems:
        raise InputError(_listed(problems))
    return recipe, plans


def every_problem(request: Request, registry: Registry) -> list[Problem]:
    """The problems of a recipe, those of its ``demo:`` section included; none when it can run."""
    files = Files()
    recipe, plans, problems, _ = _check(request, registry, files)
    problems += [problem for plan in plans if not plan.recipe.needs for problem in plan.missing(plan.trackers)]
    if recipe.has_demo and not request.demo:
        problems = problems + _check(replace(request, demo=True), registry, files)[2]
    return _listed(problems)


def _check(request: Request, registry: Registry, files: Files) -> tuple[Recipe, list[Plan], list[Problem], bool]:
    """Load a recipe and plan its runs.

    Returns:
        The recipe, the plans, the problems, and whether the demo may replace data that are missing: those of the recipe
        itself, not a root that the user named. These are no problem then.
    """
    recipe = load(
        request.recipe, sets=request.sets, unsets=request.unsets, demo=request.demo, folder=request.out, files=files
    )
    plans, problems, missing = list[Plan](), [*recipe.problems, *_problems_of_page(recipe, registry)], list[Problem]()
    try:
        _sweep_settings(recipe, registry)
    except InputError as error:
        problems += error.problems
    for run in recipe.members if recipe.is_study else [recipe, *recipe.at_ends()]:
        missing += _missing_root(run)
        try:
            plans.append(make_plan(run, registry))
        except InputError as error:
            reported = {(each.path, each.line) for each in problems if recipe.spaces}  # the other end would repeat it
            problems += [each for each in error.problems if (each.path, each.line) not in reported]
    untouched = recipe.touched.isdisjoint({"data", "data.root"})
    demo_instead = bool(missing) and recipe.has_demo and not request.demo and untouched
    return recipe, plans, problems if demo_instead else [*missing, *problems], demo_instead


def _problems_of_page(recipe: Recipe, registry: Registry) -> list[Problem]:
    """What is wrong with the sections of a study's page, whose runs have to exist."""
    if recipe.page is None:
        return []
    try:
        sections = plan_value(recipe.page, type_of(SECTIONS["page"].type), "page", registry)
    except InputError as error:
        return list(error.problems)
    settings = dict.fromkeys(member.setting for member in recipe.members)
    return [
        recipe.page.value[at].problem(
            f"page.{at}.runs",
            f"no run is named {name!r}",
            did_you_mean(name, settings, f"runs: {', '.join(settings)}"),
        )
        for at, section in enumerate(sections if settings else ())
        for name in section.runs
        if not any(fnmatchcase(setting, name) for setting in settings)
    ]


def _missing_root(recipe: Recipe) -> list[Problem]:
    """The problem of a data set's root that does not exist; none where it does, and where the data will be made."""
    data = recipe.root.get("data")
    root = data.get("root") if data is not None else None
    if root is None or not isinstance(root.value, str) or recipe.root.get("make") is not None:
        return []
    if os.path.exists(path := Path(root.value).expanduser()):  # noqa: PTH110 - False, too, for a name that is too long
        message = f"{root.value!r} may not be read by this user"
        return [] if os.access(path, os.R_OK) else [root.problem("data.root", message, "see ls -ld, and chmod")]
    hint = "unpack the data there, or name the folder: --set data.root=FOLDER"
    if recipe.has_demo:
        hint += ", or try the recipe on generated data: --demo"
    return [root.problem("data.root", f"folder {root.value!r} does not exist", hint)]


def _listed(problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of many in the order of their lines, each once, and how many more there are."""
    found = sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0))
    more = len(found) - MOST_LISTED
    if more <= 1:
        return found
    return [*found[:MOST_LISTED], Problem("recipe", f"has {more:,} more problems, which are not listed", "fix these")]
