"""A recipe and the registry -> a plan: every name resolved, every argument checked, nothing built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..catalog.registry import Registry, UnknownName, article
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import InputError, PluginError, Problem, did_you_mean
from . import epochs
from .grammar import LoopSettings, RuntimeSettings, SplitSettings
from .load import Recipe
from .plan import ComponentPlan, Plan
from .study import STUDY_SECTIONS
from .types import INVALID, check_arguments, convert, describe_type, problem_at, uses
from .yaml import BROKEN, NOWHERE, Node

#: The framework's own sections of a recipe, and what each holds; a trainer's signature adds others.
SECTIONS: Final = {
    **STUDY_SECTIONS,
    "description": "one line on what the recipe does",
    "seed": "seed of everything random",
    "trainer": "the trainer and how long it learns",
    "data": "the data set",
    "split": "how the training images are divided, where there is no evaluation split",
    "augment": "augmentations of training (`train`) and evaluation (`eval`)",
    "optimizer": "the optimizer",
    "schedule": "factor of the learning rate over the run",
    "reports": "figures drawn along the way",
    "runtime": "device, precision, workers",
    "make": "the data made on the spot (in `demo:`)",
    "demo": "what changes on data made on the spot",
    "extends": "the recipe that this one changes",
}
#: More problems than this are counted, not listed.
_MOST_LISTED: Final = 100
#: Kinds of the sections that trainers usually ask for: used while the trainer itself is unknown.
_USUAL: Final = {"model": "models", "loss": "losses", "backbone": "backbones"}


def make_plan(recipe: Recipe, registry: Registry) -> Plan:
    """Check a recipe from top to bottom.

    Raises:
        InputError: with every problem of the recipe, those found while reading it included.
        PluginError: a plugin that the recipe names is broken.
    """
    if recipe.root.value is BROKEN:
        raise InputError(recipe.problems)
    planner = _Planner(recipe, registry)
    parts = planner.plan()
    problems = [*recipe.problems, *planner.problems]
    if planner.broken and len(problems) == len(planner.broken):
        raise planner.broken[0]
    if problems or parts is None:
        raise InputError(sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0)))
    return Plan(recipe, **parts)


def listed(problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of many, and how many more there are."""
    found = list(problems)
    more = len(found) - _MOST_LISTED
    if more <= 1:
        return found
    summary = f"has {more:,} more problems, which are not listed"
    return [*found[:_MOST_LISTED], Problem("recipe", summary, "fix these first")]


class _Planner:
    def __init__(self, recipe: Recipe, registry: Registry) -> None:
        self.recipe = recipe
        self.registry = registry
        self.problems: list[Problem] = []
        self.broken: list[PluginError] = []
        root = recipe.root.value
        entries: dict[str, Node] = root if isinstance(root, dict) else {}
        # Null leaves one of the framework's own sections out; to a trainer's it may mean something else.
        self.sections = {key: node for key, node in entries.items() if node.value is not None or key not in SECTIONS}

    def plan(self) -> dict[str, Any] | None:
        trainer, loop = self._trainer()
        self._unknown_sections(trainer)
        parts = {
            "trainer": trainer,
            "loop": loop,
            "seed": self._plain("seed", int, 0),
            "data": self._section("data", "datasets", required=True),
            "optimizer": self._section("optimizer", "optimizers", "adamw"),
            "schedule": self._section("schedule", "schedules", "constant"),
            "augment": self._augment(),
            "reports": self._list("reports", "reports"),
            "runtime": self._settings("runtime", RuntimeSettings),
            "split": self._settings("split", SplitSettings) if "split" in self.sections else None,
            "make": self._section("make", "generators") if "make" in self.sections else None,
        }
        self._plain("description", str, "")
        self._moments(parts["reports"], loop)
        return None if self.problems or any(value is INVALID for value in parts.values()) else parts

    # --- sections -------------------------------------------------------------------------------

    def _trainer(self) -> tuple[Any, Any]:
        """The trainer with the components that its signature asks for, and the loop's settings."""
        node = self.sections.get("trainer")
        if node is None:
            self.problems.append(problem_at(self.recipe.root, "trainer", "is missing", "trainer: {use: segmentation}"))
            return INVALID, INVALID
        loop_window = ComponentSpec.of(LoopSettings)
        found = self._resolve(node, "trainers", "trainer")
        entries = node.value if isinstance(node.value, dict) else {}
        if found is None:
            # The trainer is unknown; what belongs to the loop and to its usual sections is checked all the same.
            own = {key: value for key, value in entries.items() if key in vars(LoopSettings())}
            arguments = self._arguments(Node(own, node.place), loop_window.parameters, "trainer", "the loop")
            return INVALID, INVALID if self._any_invalid(arguments) else LoopSettings(**arguments)
        component, spec = found
        own_parameters = [p for p in spec.parameters if uses(p.type) is None]
        parameters = [*loop_window.parameters, *own_parameters]
        for key in [key for key in entries if key in {p.name for p in spec.parameters if uses(p.type)}]:
            message = f"{key!r} is a section of its own"
            self.problems.append(
                problem_at(entries[key], f"trainer.{key}", message, f"write '{key}:' at the top level")
            )
            entries = {k: v for k, v in entries.items() if k != key}
        arguments = self._arguments(Node(entries, node.place), parameters, "trainer", f"trainer {component.name!r}")
        loop_names = {p.name for p in loop_window.parameters}
        loop_arguments = {k: v for k, v in arguments.items() if k in loop_names}
        trainer_arguments = {k: v for k, v in arguments.items() if k not in loop_names}
        for parameter in spec.parameters:
            if uses(parameter.type):
                trainer_arguments |= self._trainer_section(parameter, component)
        loop = INVALID if self._any_invalid(loop_arguments) else LoopSettings(**loop_arguments)
        if self._any_invalid(trainer_arguments):
            return INVALID, loop
        return ComponentPlan(component, spec, trainer_arguments, "trainer", node.place), loop

    def _trainer_section(self, parameter: Parameter, trainer: Component) -> dict[str, Any]:
        node = self.sections.get(parameter.name)
        if node is None and parameter.required:
            message = f"is missing: trainer {trainer.name!r} needs {describe_type(parameter.type)}"
            self.problems.append(problem_at(self.recipe.root, parameter.name, message, parameter.doc or None))
            return {parameter.name: INVALID}
        if parameter.default is None and (node is None or node.value is None):
            return {}
        if node is None:
            node = as_node(parameter.default)
        return {parameter.name: convert(node, parameter.type, parameter.name, self.component, self.problems)}

    def _unknown_sections(self, trainer: Any) -> None:
        known = set(SECTIONS)
        if isinstance(trainer, ComponentPlan):
            known |= {p.name for p in trainer.spec.parameters if uses(p.type)}
        else:
            resolved = self._peek_trainer()
            known |= {p.name for p in resolved if uses(p.type)} if resolved else {*_USUAL, "metrics"}
            if not resolved:
                for key, kind in _USUAL.items():
                    if key in self.sections:
                        self.component(self.sections[key], kind, key)
        for key, node in self.sections.items():
            if key not in known:
                hint = None
                if len(self.problems) < _MOST_LISTED:
                    hint = did_you_mean(key, known, f"sections: {', '.join(sorted(known))}")
                if key in vars(LoopSettings()):
                    hint = f"write it under 'trainer:', as trainer.{key}"
                self.problems.append(problem_at(node, key, f"a recipe has no section {key!r}", hint))

    def _peek_trainer(self) -> tuple[Parameter, ...]:
        node = self.sections.get("trainer")
        found = self._resolve(node, "trainers", "trainer", quiet=True) if node is not None else None
        return found[1].parameters if found else ()

    def _section(self, key: str, kind: str, default: str | None = None, *, required: bool = False) -> Any:
        node = self.sections.get(key)
        if node is None:
            if required:
                problem = problem_at(self.recipe.root, key, "is missing", f"name one of 'hw1cli list {kind}'")
                self.problems.append(problem)
                return INVALID
            node = as_node(default)
        elif default is not None and isinstance(node.value, dict) and "use" not in node.value:
            node = Node({"use": Node(default, node.place), **node.value}, node.place)
        return self.component(node, kind, key)

    def _list(self, key: str, kind: str) -> Any:
        node = self.sections.get(key)
        return [] if node is None else self._components(node, kind, key)

    def _augment(self) -> Any:
        node = self.sections.get("augment")
        if node is None or node.value is BROKEN:
            return {}
        if not isinstance(node.value, dict):
            wanted = "a mapping of train and eval is wanted"
            self.problems.append(problem_at(node, "augment", wanted, "augment: {train: [...], eval: [...]}"))
            return INVALID
        lists = {}
        for key, value in node.value.items():
            if key not in ("train", "eval"):
                hint = did_you_mean(key, ("train", "eval"), "it takes train and eval")
                self.problems.append(problem_at(value, f"augment.{key}", f"augment takes no {key!r}", hint))
                continue
            lists[key] = self._components(value, "augmentations", f"augment.{key}")
        return INVALID if self._any_invalid(lists) else lists

    def _components(self, node: Node, kind: str, path: str) -> Any:
        if not isinstance(node.value, list):
            if node.value is not BROKEN:
                self.problems.append(problem_at(node, path, f"a list of {kind} is wanted", "write [ ... ]"))
            return INVALID
        plans = [self.component(item, kind, f"{path}.{index}") for index, item in enumerate(node.value)]
        return INVALID if any(plan is INVALID for plan in plans) else plans

    def _settings(self, key: str, settings: Any) -> Any:
        node = self.sections.get(key) or as_node({})
        if not isinstance(node.value, dict):
            if node.value is not BROKEN:
                self.problems.append(problem_at(node, key, "a mapping is wanted", f"{key}: {{...}}"))
            return INVALID
        arguments = self._arguments(node, ComponentSpec.of(settings).parameters, key, key)
        return INVALID if self._any_invalid(arguments) else settings(**arguments)

    def _plain(self, key: str, annotation: Any, default: Any) -> Any:
        node = self.sections.get(key)
        if node is None:
            return default
        found: list[Problem] = []
        value = convert(node, annotation, key, self.component, found)
        self.problems += [replace(problem, hint=problem.hint or f"{key}: {SECTIONS[key]}") for problem in found]
        return value

    def _moments(self, reports: Any, loop: Any) -> None:
        """The epochs at which reports are drawn must be readable and within the run."""
        if reports is INVALID or loop is INVALID:
            return
        for report in reports:
            for index, named in enumerate(report.given_or_default().get("at", [])):
                try:
                    epochs.epochs_at([named], loop.epochs)
                except ValueError as error:
                    node, path = self.sections["reports"], f"{report.path}.at.{index}"
                    hint = "write first, middle, last, 5, '50%' or 'every 10'"
                    self.problems.append(problem_at(node, path, str(error), hint))

    # --- components -----------------------------------------------------------------------------

    def component(self, node: Node, kind: str, path: str) -> Any:
        """The plan of the component that a node names, or ``INVALID`` with problems reported."""
        found = self._resolve(node, kind, path)
        if found is None:
            return INVALID
        component, spec = found
        mapping = node if isinstance(node.value, dict) else Node({}, node.place)
        owner = f"{KINDS[kind].singular} {component.name!r}"
        arguments = self._arguments(mapping, spec.parameters, path, owner)
        for parameter in spec.parameters:
            absent = parameter.name not in arguments and not parameter.required
            if uses(parameter.type) and absent and parameter.default is not None:
                where = f"{path}.{parameter.name}"
                default = as_node(parameter.default)
                arguments[parameter.name] = convert(default, parameter.type, where, self.component, self.problems)
        return INVALID if self._any_invalid(arguments) else ComponentPlan(component, spec, arguments, path, node.place)

    def _arguments(self, node: Node, parameters: Any, path: str, owner: str) -> dict[str, Any]:
        before = len(self.problems)
        arguments = check_arguments(node, parameters, path, self.component, self.problems, owner)
        return arguments if len(self.problems) == before else {**arguments, "": INVALID}

    def _resolve(
        self, node: Node, kind: str, path: str, *, quiet: bool = False
    ) -> tuple[Component, ComponentSpec] | None:
        problems: list[Problem] = []
        found = self._named(node, kind, path, problems)
        if not quiet:
            self.problems += problems
        return found

    def _named(
        self, node: Node, kind: str, path: str, problems: list[Problem]
    ) -> tuple[Component, ComponentSpec] | None:
        singular = KINDS[kind].singular
        use = node.value.get("use") if isinstance(node.value, dict) else node
        if node.value is BROKEN or (use is not None and use.value is BROKEN):
            return None
        if use is None:
            message, hint = f"does not say which {singular}", f"add 'use: NAME' (see 'hw1cli list {kind}')"
            problems.append(problem_at(node, path, message, hint))
            return None
        if not isinstance(use.value, str) or not use.value:
            wanted = f"the name of {article(singular)}, or {{use: NAME, ...}}, is wanted"
            problems.append(problem_at(use, path, wanted, f"see 'hw1cli list {kind}'"))
            return None
        try:
            component = self.registry.find(kind, use.value)
            return component, component.spec()
        except UnknownName as unknown:
            problems.append(problem_at(use, path, unknown.message, unknown.hint))
        except PluginError as error:
            self._tell_broken(error, use, path, problems)
        return None

    def _tell_broken(self, error: PluginError, node: Node, path: str, problems: list[Problem]) -> None:
        """A broken plugin is told beside the recipe's own faults; alone, it ends the check with its own exit code."""
        problem = problem_at(node, path, str(error), error.hint or "see 'hw1cli list --verify'")
        if problem not in self.problems:
            problems.append(problem)
            self.broken.append(PluginError(error.source, error.reason, error.hint, problem))

    @staticmethod
    def _any_invalid(arguments: Mapping[str, Any]) -> bool:
        return any(value is INVALID for value in arguments.values())


def plan_component(node: Node, kind: str, registry: Registry) -> ComponentPlan:
    """The plan of one component by itself.

    Raises:
        InputError: with every problem of its name and arguments.
        PluginError: its plugin is broken.
    """
    planner = _Planner(Recipe.of(Node({}, node.place)), registry)
    plan = planner.component(node, kind, "")
    if planner.broken:
        raise planner.broken[0]
    if planner.problems:
        raise InputError(planner.problems)
    return plan  # type: ignore[no-any-return]


def as_node(data: Any) -> Node:
    """A signature's default as a node without a place."""
    if isinstance(data, Mapping):
        return Node({key: as_node(value) for key, value in data.items()}, NOWHERE)
    if isinstance(data, (list, tuple)):
        return Node([as_node(item) for item in data], NOWHERE)
    return Node(str(data) if isinstance(data, Path) else data, NOWHERE)
