"""What ``run`` and ``check`` share: a recipe file -> a plan, with the demo where the data are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalog.registry import Registry
from ..errors import InputError, Problem
from ..recipe.load import Recipe, load, missing_root
from ..recipe.plan import Plan
from ..recipe.planner import listed, make_plan
from ..recipe.study import Member


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
    runs = recipe.members or (() if recipe.is_study else ((None, recipe),))
    missing = [problem for _, own in runs if (problem := missing_root(own)) is not None]
    demo_instead = bool(missing) and recipe.has_demo and not request.demo
    demo_instead = demo_instead and recipe.touched.isdisjoint({"data", "data.root"})
    problems = [*recipe.problems, *(() if demo_instead else missing)]
    plans = []
    for member, own in runs:
        try:
            plans.append(PlannedRun(member, make_plan(own, registry)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(listed(problems))
    return planned_runs(replace(request, demo=True), registry) if demo_instead else plans


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
