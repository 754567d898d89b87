"""What ``run`` and ``check`` share: a recipe file -> a plan, with the demo where the data are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..components import Registry
from ..parameters import problem_at
from ..planner import make_plan
from ..plans import Plan
from ..problems import InputError, Problem
from ..recipes import Recipe, load


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line.

    Args:
        recipe: the recipe file.
        sets, unsets: ``--set`` and ``--unset`` options.
        demo: whether the demo was asked for.
    """

    recipe: Path
    sets: Sequence[str] = ()
    unsets: Sequence[str] = ()
    demo: bool = False

    def load(self, *, demo: bool | None = None) -> Recipe:
        return load(self.recipe, sets=self.sets, unsets=self.unsets, demo=self.demo if demo is None else demo)


def planned(request: Request, registry: Registry) -> Plan:
    """The plan of a request.

    The demo stands in only where the root that is missing is the recipe's own and the recipe has a demo: a root that
    the user named has to be there.

    Raises:
        InputError: with every problem.
        PluginError: a plugin that the recipe names is broken.
    """
    recipe = request.load()
    absent = _absent_root(recipe)
    demo_stands_in = absent is not None and recipe.has_demo and not _named_by_user(recipe)
    try:
        plan = make_plan(recipe, registry)
    except InputError as error:
        if absent is not None and not demo_stands_in:
            error.problems.append(absent)
        raise
    if demo_stands_in:
        return make_plan(request.load(demo=True), registry)
    if absent is not None:
        raise InputError([absent])
    return plan


def every_problem(request: Request, registry: Registry) -> list[Problem]:
    """The problems of a recipe, those of its ``demo:`` section included; none when it can run."""
    found: list[Problem] = []
    recipe = request.load()
    for demo in (False, True) if recipe.has_demo and not request.demo else (request.demo,):
        try:
            planned(Request(request.recipe, request.sets, request.unsets, demo), registry)
        except InputError as error:
            found += [problem for problem in error.problems if problem not in found]
    return found


def _named_by_user(recipe: Recipe) -> bool:
    return not recipe.touched.isdisjoint({"data", "data.root"})


def _absent_root(recipe: Recipe) -> Problem | None:
    """The problem of a root that is not there; None where it is, and where the data will be made."""
    sections = recipe.root.value if isinstance(recipe.root.value, dict) else {}
    data = sections.get("data")
    node = data.value.get("root") if data is not None and isinstance(data.value, dict) else None
    if node is None or not isinstance(node.value, str) or "make" in sections or Path(node.value).expanduser().exists():
        return None
    hint = "unpack the data there, or name the folder: --set data.root=FOLDER"
    if recipe.has_demo:
        hint += ", or try the recipe on data made on the spot: --demo"
    return problem_at(node, "data.root", f"there is no folder {node.value!r}", hint)
