"""A recipe and the registry -> a plan: every name resolved, every argument checked, nothing built.

A recipe's sections, a component's arguments, settings and lists are all checked by one walk over the tree and its
types; a problem leaves ``BROKEN`` in the value's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..catalog.registry import Registry, UnknownName, article
from ..catalog.spec import REQUIRED, ComponentSpec, Parameter
from ..errors import InputError, PluginError, Problem, did_you_mean
from . import sharded
from .grammar import (
    SECTIONS,
    AugmentSettings,
    DataSettings,
    LoopSettings,
    RuntimeSettings,
    SplitSettings,
    arguments_of,
    entries_of,
    trainer_sections,
)
from .load import Recipe
from .plan import ComponentPlan, Plan
from .study import folds
from .types import Type, describe, misfit, scalar, type_of
from .yaml import BROKEN, Node, as_node, join

#: Larger integers fit neither torch nor numpy.
_LARGEST: Final = 2**63 - 1
#: Looking for near spellings takes its time: after this many problems there are no more hints of that kind.
_MOST_HINTS: Final = 100


def make_plan(recipe: Recipe, registry: Registry) -> Plan:
    """Check a recipe from top to bottom.

    Raises:
        InputError: with every problem of the recipe, those found while reading it included.
        PluginError: a plugin that the recipe names is broken.
    """
    if not isinstance(recipe.root.value, dict):
        raise InputError(recipe.problems)
    planner = _Planner(registry, recipe.problems)
    parts = planner.parts(recipe.root)
    planner.raise_problems()
    return Plan(recipe, **parts)


def plan_component(node: Node, kind: str, registry: Registry) -> ComponentPlan:
    """The plan of one component by itself; raises as ``make_plan``."""
    plan: ComponentPlan = plan_value(node, Type("component", of=kind), "", registry)
    return plan


def plan_value(node: Node, wanted: Type, path: str, registry: Registry) -> Any:
    """A value by itself as a type wants it, components in it as plans; raises as ``make_plan``."""
    planner = _Planner(registry)
    value = planner.value(node, wanted, path)
    planner.raise_problems()
    return value


class _Planner:
    def __init__(self, registry: Registry, problems: Iterable[Problem] = ()) -> None:
        self.registry, self.problems = registry, list(problems)
        self.plugin_errors: list[PluginError] = []

    def raise_problems(self) -> None:
        """A broken plugin is reported beside the recipe's own faults; alone, it has its own exit code."""
        broken = [error for error in self.plugin_errors if error.problem in self.problems]
        if broken and len(self.problems) == len(broken):
            raise broken[0]
        if self.problems:
            raise InputError(self.problems)

    def parts(self, root: Node) -> dict[str, Any]:
        """The parts of a plan by their names, to be used where no problem was found."""
        node, found = root.get("trainer"), None
        if node is None or node.value is None:
            self.problems.append(root.problem("trainer", "is missing", "trainer: {use: segmentation}"))
        else:
            found = self._find(node, "trainers", "trainer")
        component, spec = found or (None, None)
        sections: list[Parameter] = [each for each in SECTIONS.values() if each.planned and each.name != "trainer"]
        own, accepted = trainer_sections(spec), arguments_of("trainers", spec)
        sections += own
        entries = entries_of(root, sections)
        entries.pop("trainer", None)
        for key in [key for key in entries if key in LoopSettings.__dataclass_fields__]:
            hint = f"write it under 'trainer:', as trainer.{key}"
            self.problems.append(entries.pop(key).problem(key, f"a recipe has no section {key!r}", hint))
        loop: Any = BROKEN
        arguments: dict[str, Any] = {}
        if node is not None:
            loop, arguments = self._trainer_arguments(node, component, own, accepted)
        owner = "a recipe" if component is None else f"a recipe with trainer {component.name!r}"
        parts = self.arguments(Node(entries, root.location), sections, "", owner, "section")
        parts.pop("description", None)
        arguments |= {section.name: parts.pop(section.name) for section in own if section.name in parts}
        if component is not None and spec is not None and node is not None:
            parts["trainer"] = ComponentPlan(component, spec, arguments, "trainer", node.location)
        reports = parts["reports"] if loop is not BROKEN and parts["reports"] is not BROKEN else ()
        for report, index, named in ((r, *each) for r in reports for each in enumerate(r.arguments.get("at", ()))):
            try:
                epochs_at([named], loop.epochs)
            except ValueError as error:
                hint = "write first, middle, last, 5, '50%' or 'every 10'"
                self.problems.append(
                    Node(named, report.location).problem(f"{report.path}.at.{index}", str(error), hint)
                )
        if isinstance(split := parts.get("split"), SplitSettings):
            self.problems += folds.problems(entries["split"], split)
        if isinstance(runtime := parts.get("runtime"), RuntimeSettings) and loop is not BROKEN:
            self.problems += sharded.problems(root, runtime, loop)
        augment = parts.pop("augment", None) or AugmentSettings()
        if augment is not BROKEN:
            parts["augment"] = {split: steps for split, steps in vars(augment).items() if steps}
        return {"seed": 0, "runtime": RuntimeSettings(), **parts, "loop": loop}

    def _trainer_arguments(
        self, node: Node, trainer: Component | None, own: Iterable[Parameter], accepted: Iterable[Parameter]
    ) -> tuple[Any, dict[str, Any]]:
        """What is written under ``trainer:``: the loop's settings, and the trainer's own arguments."""
        written = dict(node.children())
        for name in [section.name for section in own if section.name in written]:
            message, hint = f"{name!r} is a section of its own", f"write '{name}:' at the top level"
            self.problems.append(written.pop(name).problem(f"trainer.{name}", message, hint))
        if trainer is None:  # what belongs to the loop is checked all the same
            names = {parameter.name for parameter in accepted}
            written = {name: value for name, value in written.items() if name in names}
        owner = f"trainer {trainer.name!r}" if trainer else "the loop"
        given = self.arguments(Node(written, node.location), accepted, "trainer", owner)
        settings = {name: given.pop(name) for name in LoopSettings.__dataclass_fields__ if name in given}
        return BROKEN if _broken(settings.values()) else LoopSettings(**settings), given

    # --- the walk -------------------------------------------------------------------------------

    def value(self, node: Node, wanted: Type, path: str) -> Any:
        """A node's value as a type wants it, or ``BROKEN`` with the problem reported."""
        value = node.value
        if value is BROKEN:
            return BROKEN
        if isinstance(value, int) and abs(value) > _LARGEST:
            self.problems.append(node.problem(path, "is an integer of more than 64 bits", "write a smaller number"))
            return BROKEN
        if wanted.form == "component":
            return self._component(node, wanted.of, path)
        if wanted.form == "union":
            return self._union(node, wanted, path)
        if wanted.form == "list" and isinstance(value, list):
            if wanted.fixed and len(value) != len(wanted.members):
                message = f"expected {len(wanted.members)} values, got {len(value)}"
                self.problems.append(node.problem(path, message))
                return BROKEN
            members = wanted.members if wanted.fixed else [wanted.item] * len(value)
            pairs = enumerate(zip(value, members, strict=True))
            items = [self.value(item, each, join(path, str(index))) for index, (item, each) in pairs]
            return BROKEN if _broken(items) else wanted.of(items)
        if wanted.form == "mapping" and isinstance(value, dict):
            entries = {key: self.value(each, wanted.item, join(path, key)) for key, each in value.items()}
            return BROKEN if _broken(entries.values()) else entries
        if wanted.form == "settings" and isinstance(value, dict):
            given = self.arguments(node, ComponentSpec.of(wanted.of).parameters, path, path)
            return BROKEN if _broken(given.values()) else wanted.of(**given)
        converted = scalar(node, wanted, path)
        if isinstance(converted, Problem):
            self.problems.append(converted)
            return BROKEN
        return converted

    def arguments(
        self, node: Node, parameters: Iterable[Parameter], path: str, owner: str, noun: str = "argument"
    ) -> dict[str, Any]:
        """Check a mapping's entries against parameters; the key ``use`` is passed over.

        Args:
            node: a mapping.
            parameters: those that may be given.
            path: dotted path of the mapping; '' at the top.
            owner, noun: what the entries belong to and what they are called, for messages.

        Returns:
            The converted arguments that were given, and the components that defaults name; ``BROKEN`` where a problem
            was reported.
        """
        known = {parameter.name: parameter for parameter in parameters}
        given: dict[str, Any] = {}
        for key, value in node.value.items():
            if key in known:
                before = len(self.problems)
                given[key] = self.value(value, type_of(known[key].type), join(path, key))
                if known[key].doc:  # a problem without a hint of its own shows what the argument is for
                    hint = f"{key}: {known[key].doc}"
                    self.problems[before:] = [replace(each, hint=each.hint or hint) for each in self.problems[before:]]
            elif key != "use":
                hint = None
                if len(self.problems) < _MOST_HINTS:
                    hint = did_you_mean(key, known, f"{noun}s: {', '.join(known)}" if known else f"it has no {noun}s")
                self.problems.append(value.problem(join(path, key), f"{owner} has no {noun} {key!r}", hint))
                given[key] = BROKEN
        for name, parameter in known.items():
            if name in given:
                continue
            wanted = type_of(parameter.type)
            component = wanted.find("component")
            if parameter.required:
                message = f"is missing: {owner} needs {describe(wanted, with_article=True)}"
                hint = parameter.doc or (f"see 'hw1cli list {component.of}'" if component else None)
                self.problems.append(node.problem(join(path, name), message, hint))
                given[name] = BROKEN
            elif component and parameter.default is not REQUIRED and parameter.default is not None:
                given[name] = self.value(as_node(parameter.default), wanted, join(path, name))
        return given

    def _union(self, node: Node, wanted: Type, path: str) -> Any:
        """The value as the first alternative that takes it."""
        attempts: list[tuple[Type, list[Problem]]] = []
        before = len(self.problems)
        # Words before components, which may have any name; integers before numbers, so that they stay integers.
        for member in sorted(wanted.members, key=lambda each: (bool(each.find("component")), each.form == "number")):
            value = self.value(node, member, path)
            found = self.problems[before:]
            del self.problems[before:]
            if not found and value is not BROKEN:
                return value
            if member.form != "null":
                attempts.append((member, found))
        components = [found for member, found in attempts if member.find("component")]
        if node.value is not None and len(attempts) == 1:
            self.problems += attempts[0][1]
        elif node.value is not None and components:
            self.problems += components[0]
        else:
            self.problems.append(misfit(node, wanted, path))
        return BROKEN

    def _component(self, node: Node, kind: str, path: str) -> Any:
        """The plan of the component that a node names."""
        if (found := self._find(node, kind, path)) is None:
            return BROKEN
        component, spec = found
        mapping = node if isinstance(node.value, dict) else Node({}, node.location)
        owner = f"{KINDS[kind].singular} {component.name!r}"
        accepted = arguments_of(kind, spec) if kind == "datasets" else spec.parameters
        arguments = self.arguments(mapping, accepted, path, owner)
        if _broken(arguments.values()):
            return BROKEN
        settings = None
        if kind == "datasets":
            own = {parameter.name for parameter in spec.parameters}
            settings = DataSettings(**{name: arguments.pop(name) for name in arguments.keys() - own})
        return ComponentPlan(component, spec, arguments, path, node.location, settings)

    def _find(self, node: Node, kind: str, path: str) -> tuple[Component, ComponentSpec] | None:
        """The component that a node names, and its spec."""
        singular, hint = KINDS[kind].singular, f"see 'hw1cli list {kind}'"
        use = node.get("use") if isinstance(node.value, dict) else node
        if node.value is BROKEN or (use is not None and use.value is BROKEN):
            return None
        if use is None:
            problem = node.problem(path, f"does not name the {singular}", f"add 'use: NAME' ({hint})")
        elif not isinstance(use.value, str) or not use.value:
            problem = use.problem(path, f"expected the name of {article(singular)}, or {{use: NAME, ...}}", hint)
        else:
            try:
                component = self.registry.find(kind, use.value)
                return component, component.spec()
            except UnknownName as unknown:
                problem = use.problem(path, unknown.message, unknown.hint)
            except PluginError as error:
                problem = use.problem(path, str(error), error.hint or "see 'hw1cli list --verify'")
                self.plugin_errors.append(PluginError(error.source, error.reason, error.hint, problem))
        self.problems.append(problem)
        return None


def epochs_at(names: Iterable[int | str], epochs: int) -> list[int]:
    """The epochs that a recipe names, ascending, each once.

    Args:
        names: ``first``, ``middle`` (the epoch at half of the run, rounded up), ``last``, 1-based epoch numbers
            (those beyond the end mean the last), ``"50%"``, ``"every 10"``.
        epochs: length of the run.

    Raises:
        ValueError: an epoch cannot be read.
    """
    words: dict[int | str, int] = {"first": 1, "middle": (epochs + 1) // 2, "last": epochs}
    found = set[int]()
    for name in names:
        percent, every = (re.fullmatch(form, str(name)) for form in (r"(\d+(?:\.\d+)?)\s*%", r"every\s+(\d+)"))
        if isinstance(name, int) and not isinstance(name, bool) and name >= 1:
            found.add(name)
        elif name in words and isinstance(name, str):
            found.add(words[name])
        elif percent and float(percent[1]) <= 100:
            found.add(max(1, round(epochs * float(percent[1]) / 100)))
        elif every and int(every[1]) >= 1:
            found.update(range(int(every[1]), epochs + 1, int(every[1])), [epochs])
        else:
            raise ValueError(f"{name!r} is not an epoch")
    return sorted({min(epoch, epochs) for epoch in found})


def _broken(values: Iterable[Any]) -> bool:
    return any(value is BROKEN for value in values)
