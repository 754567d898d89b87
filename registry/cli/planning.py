"""What ``run`` and ``check`` share: a recipe file -> a plan, with the demo where the data are not there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalog.registry import Registry
from ..errors import InputError, Problem
from ..recipe.convert import problem_at
from ..recipe.load import Recipe, load
from ..recipe.plan import Plan
from ..recipe.planner import listed, make_plan
from ..recipe.study import Member, ordered


@dataclass(frozen=True)
class PlannedRun:
    """A plan, and what it is in a study; ``member`` is None for a recipe of one run."""

    member: Member | None
    plan: Plan


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

    def load(self) -> Recipe:
        return load(self.recipe, sets=self.sets, unsets=self.unsets, demo=self.demo, folder=self.out)


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

    The demo runs instead only where the missing root is the recipe's own and the recipe has a demo: a root that the
    user named has to exist.

    Raises:
        InputError: with every problem of every run.
        PluginError: a plugin that the recipe names is broken.
    """
    recipe = request.load()
    if recipe.is_study and not recipe.members:
        raise InputError(recipe.problems)
    runs = recipe.members or ((None, recipe),)
    absent = [problem for _, own in runs if (problem := _absent_root(own)) is not None]
    demo_stands_in = bool(absent) and recipe.has_demo and not request.demo and not _named_by_user(recipe)
    problems = list(recipe.problems)
    plans = []
    for member, own in runs:
        try:
            plans.append(PlannedRun(member, make_plan(own, registry)))
        except InputError as error:
            problems += error.problems
    if not demo_stands_in:
        problems += dict.fromkeys(absent)
    if problems:
        raise InputError(listed(dict.fromkeys(problems)))
    return planned_runs(replace(request, demo=True), registry) if demo_stands_in else _in_order(plans)


def _in_order(plans: list[PlannedRun]) -> list[PlannedRun]:
    by_name = {run.member.name: run for run in plans if run.member is not None}
    if not by_name:
        return plans
    try:
        return [by_name[member.name] for member in ordered([run.member for run in plans if run.member is not None])]
    except ValueError as circle:
        raise InputError.of(
            "runs", f"need each other in a circle: {circle}", "remove one of the references"
        ) from circle


def every_problem(request: Request, registry: Registry) -> list[Problem]:
    """The problems of a recipe, those of its ``demo:`` section included; none when it can run."""
    found: dict[Problem, None] = {}
    recipe = request.load()
    for demo in (False, True) if recipe.has_demo and not request.demo else (request.demo,):
        try:
            planned_runs(replace(request, demo=demo), registry)
        except InputError as error:
            found |= dict.fromkeys(error.problems)
    return listed(found)


def _named_by_user(recipe: Recipe) -> bool:
    return not recipe.touched.isdisjoint({"data", "data.root"})


def _absent_root(recipe: Recipe) -> Problem | None:
    """The problem of a root that is not there; None where it is, and where the data will be made."""
    sections = recipe.root.value if isinstance(recipe.root.value, dict) else {}
    data = sections.get("data")
    node = data.value.get("root") if data is not None and isinstance(data.value, dict) else None
    if node is None or not isinstance(node.value, str) or "make" in sections:
        return None
    if os.path.exists(Path(node.value).expanduser()):  # noqa: PTH110 - False, too, for a name too long for a file
        return None
    hint = "unpack the data there, or name the folder: --set data.root=FOLDER"
    if recipe.has_demo:
        hint += ", or try the recipe on data made on the spot: --demo"
    return problem_at(node, "data.root", f"there is no folder {node.value!r}", hint)
