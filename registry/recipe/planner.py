"""A recipe and the registry -> a plan: every name resolved, every argument checked, nothing built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..catalog.registry import Registry, UnknownName, article
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import InputError, PluginError, Problem
from . import epochs
from .convert import INVALID, MOST_LISTED, check_arguments, is_invalid, problem_at
from .grammar import (
    SECTIONS,
    AugmentSettings,
    LoopSettings,
    RuntimeSettings,
    may_be_null,
    named_by_default,
    trainer_arguments,
    trainer_sections,
)
from .load import Recipe
from .plan import ComponentPlan, Plan
from .yaml import BROKEN, Node


def make_plan(recipe: Recipe, registry: Registry) -> Plan:
    """Check a recipe from top to bottom.

    Raises:
        InputError: with every problem of the recipe, those found while reading it included.
        PluginError: a plugin that the recipe names is broken.
    """
    problems = list(recipe.problems)
    if not isinstance(recipe.root.value, dict):
        raise InputError(problems)
    planner = _Planner(registry)
    parts = planner.plan(recipe.root, problems)
    planner.raise_for(problems)
    return Plan(recipe, **parts)


def plan_component(node: Node, kind: str, registry: Registry) -> ComponentPlan:
    """The plan of one component by itself.

    Raises:
        InputError: with every problem of its name and arguments.
        PluginError: its plugin is broken.
    """
    problems: list[Problem] = []
    planner = _Planner(registry)
    plan = planner.component(node, kind, "", problems)
    planner.raise_for(problems)
    return plan  # type: ignore[no-any-return]


def listed(problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of many, and how many more there are."""
    found = list(dict.fromkeys(problems))
    more = len(found) - MOST_LISTED
    if more <= 1:
        return found
    return [*found[:MOST_LISTED], Problem("recipe", f"has {more:,} more problems, which are not listed", "fix these")]


class _Planner:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.broken: list[PluginError] = []

    def raise_for(self, problems: list[Problem]) -> None:
        """A broken plugin is reported beside the recipe's own faults; alone, it has its own exit code."""
        broken = [error for error in self.broken if error.problem in problems]
        if broken and len(problems) == len(broken):
            raise broken[0]
        if problems:
            raise InputError(sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0)))

    def plan(self, root: Node, problems: list[Problem]) -> dict[str, Any]:
        """The parts of a plan by their names, to be used where no problem was found."""
        entries = dict(root.value)
        trainer, loop = self._trainer(entries, root, problems)
        spec = None if trainer is INVALID else trainer.spec
        own_sections = (section for section in SECTIONS.values() if section.planned and section.name != "trainer")
        parameters: list[Parameter] = [*own_sections, *trainer_sections(spec)]
        for parameter in parameters:
            node = entries.get(parameter.name)
            if node is None:
                continue
            if node.value is None and may_be_null(parameter):
                del entries[parameter.name]
            elif named_by_default(parameter) and isinstance(node.value, dict):
                entries[parameter.name] = Node({"use": Node(parameter.default, node.place), **node.value}, node.place)
        for key in [key for key in entries if key in LoopSettings.__dataclass_fields__]:
            hint = f"write it under 'trainer:', as trainer.{key}"
            problems.append(problem_at(entries.pop(key), key, f"a recipe has no section {key!r}", hint))
        owner = "a recipe" if spec is None else f"a recipe with trainer {trainer.name!r}"
        given = check_arguments(Node(entries, root.place), parameters, "", self.component, problems, owner, "section")
        parts = {name: value for name, value in given.items() if name in SECTIONS and name != "description"}
        if spec is not None:
            own = {name: value for name, value in given.items() if name not in SECTIONS}
            trainer = ComponentPlan(trainer.component, spec, {**trainer.arguments, **own}, "trainer", trainer.place)
        if loop is not INVALID and parts["reports"] is not INVALID:
            _check_epochs(parts["reports"], loop, problems)
        augment = parts.pop("augment", None) or AugmentSettings()
        if augment is not INVALID:
            parts["augment"] = {split: steps for split, steps in vars(augment).items() if steps}
        return {"seed": 0, "runtime": RuntimeSettings(), **parts, "trainer": trainer, "loop": loop}

    def _trainer(self, entries: dict[str, Node], root: Node, problems: list[Problem]) -> tuple[Any, Any]:
        """The trainer without the components of its own, which are sections, and the loop's settings."""
        node = entries.pop("trainer", None)
        if node is None or node.value is None:
            problems.append(problem_at(root, "trainer", "is missing", "trainer: {use: segmentation}"))
            return INVALID, INVALID
        found = self._find(node, "trainers", "trainer", problems)
        component, spec = found or (None, None)
        known = trainer_arguments(spec)
        arguments = dict(node.value) if isinstance(node.value, dict) else {}
        for name in [section.name for section in trainer_sections(spec) if section.name in arguments]:
            hint = f"write '{name}:' at the top level"
            problems.append(
                problem_at(arguments.pop(name), f"trainer.{name}", f"{name!r} is a section of its own", hint)
            )
        if component is None:  # what belongs to the loop is checked all the same
            arguments = {name: value for name, value in arguments.items() if name in {each.name for each in known}}
        owner = f"trainer {component.name!r}" if component else "the loop"
        given = check_arguments(Node(arguments, node.place), known, "trainer", self.component, problems, owner)
        names = LoopSettings.__dataclass_fields__.keys()
        settings = {name: value for name, value in given.items() if name in names}
        loop = INVALID if is_invalid(settings) else LoopSettings(**settings)
        if component is None or spec is None:
            return INVALID, loop
        own = {name: value for name, value in given.items() if name not in names}
        return ComponentPlan(component, spec, own, "trainer", node.place), loop

    # --- components -----------------------------------------------------------------------------

    def component(self, node: Node, kind: str, path: str, problems: list[Problem]) -> Any:
        """The plan of the component that a node names, or ``INVALID`` with problems appended."""
        found = self._find(node, kind, path, problems)
        if found is None:
            return INVALID
        component, spec = found
        mapping = node if isinstance(node.value, dict) else Node({}, node.place)
        owner = f"{KINDS[kind].singular} {component.name!r}"
        arguments = check_arguments(mapping, spec.parameters, path, self.component, problems, owner)
        return INVALID if is_invalid(arguments) else ComponentPlan(component, spec, arguments, path, node.place)

    def _find(
        self, node: Node, kind: str, path: str, problems: list[Problem]
    ) -> tuple[Component, ComponentSpec] | None:
        """The component that a node names, and its spec."""
        singular = KINDS[kind].singular
        use = node.value.get("use") if isinstance(node.value, dict) else node
        if node.value is BROKEN or (use is not None and use.value is BROKEN):
            return None
        if use is None:
            message, hint = f"does not name the {singular}", f"add 'use: NAME' (see 'hw1cli list {kind}')"
            problems.append(problem_at(node, path, message, hint))
            return None
        if not isinstance(use.value, str) or not use.value:
            expected = f"expected the name of {article(singular)}, or {{use: NAME, ...}}"
            problems.append(problem_at(use, path, expected, f"see 'hw1cli list {kind}'"))
            return None
        try:
            component = self.registry.find(kind, use.value)
            return component, component.spec()
        except UnknownName as unknown:
            problems.append(problem_at(use, path, unknown.message, unknown.hint))
        except PluginError as error:
            problem = problem_at(use, path, str(error), error.hint or "see 'hw1cli list --verify'")
            problems.append(problem)
            self.broken.append(PluginError(error.source, error.reason, error.hint, problem))
        return None


def _check_epochs(reports: list[ComponentPlan], loop: LoopSettings, problems: list[Problem]) -> None:
    """The epochs at which reports are drawn must be readable."""
    for report in reports:
        for index, named in enumerate(report.given_or_default().get("at", [])):
            try:
                epochs.epochs_at([named], loop.epochs)
            except ValueError as error:
                path, hint = f"{report.path}.at.{index}", "write first, middle, last, 5, '50%' or 'every 10'"
                problems.append(Problem(path, str(error), hint, report.place.line, report.place.file))
