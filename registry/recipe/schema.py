"""The JSON schema of recipes, from the installed plugins: with it editors complete and underline."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from ..catalog.components import Component
from ..catalog.policy import aliases_of
from ..catalog.registry import Registry
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import PluginError
from .grammar import MOST_RUNS, SECTIONS, named_by_default, trainer_arguments, trainer_sections
from .schema_types import REFERENCE, SHARED, Defined, Schema, or_reference, parameter_schema, shortened
from .types import Type, uses

#: Sections of a recipe of several runs, or of one that changes another: required keys may be missing in these.
_PARTIAL: Final = ("extends", "runs", "matrix")
_LONGEST_SUMMARY: Final = 240


def recipe_schema(registry: Registry, *, zoos: bool = False) -> tuple[Schema, list[str]]:
    """The schema of every recipe that the registry's components allow.

    Args:
        registry: the components.
        zoos: list the names of zoos whose members all take the same arguments (``timm/*``: 1,600 names); a pattern
            stands for them otherwise. Zoos whose members differ are listed anyway.

    Returns:
        The schema, and what is broken and therefore not described, in words.
    """
    writer = _Writer(registry, zoos=zoos)
    return writer.recipe(), writer.broken


@dataclass
class _Group:
    """Components that take the same arguments.

    Args:
        names: of its members.
        pattern: of the names a recipe may call them by, without the distribution; a regular expression.
        owner: their distribution.
        spec: the spec of the first; None where it is broken.
        listed: whether the names are to be listed.
        alike: whether they are a whole zoo, so that its prefix means them.
    """

    names: list[str]
    pattern: str
    owner: str
    spec: ComponentSpec | None
    summary: str = "broken"
    listed: bool = True
    alike: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = re.sub(r"[^\w.-]+", ".", self.names[0]).strip(".")

    @property
    def called(self) -> Schema:
        """Matches the names that mean a member."""
        return {"pattern": f"^(?:{re.escape(self.owner)}:)?(?:{self.pattern})$"}

    def arguments(self, kind: str) -> tuple[Parameter, ...]:
        """What a recipe writes beside ``use``."""
        if self.spec is None:
            return ()
        return trainer_arguments(self.spec) if kind == "trainers" else self.spec.parameters


class _Writer:
    def __init__(self, registry: Registry, *, zoos: bool) -> None:
        self.registry, self.zoos = registry, zoos
        self.broken: list[str] = []
        self.definitions: dict[str, Schema] = {"reference": {"type": "string", "pattern": REFERENCE}, **SHARED}
        self._groups: dict[str, list[_Group]] = {}

    # --- the whole ------------------------------------------------------------------------------

    def recipe(self) -> Schema:
        """The schema of a recipe file."""
        whole = {
            "type": "object",
            "properties": {**self._sections(partial=False), **self._around()},
            "required": ["trainer", "data"],
            "allOf": [self._sections_of_trainer(group) for group in self.groups("trainers")],
        }
        self.definitions |= {"recipe": whole, "changes": self._changes(self._around())}
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "A recipe of hw1cli",
            "$comment": "Written by 'hw1cli schema'; do not edit.",
            "if": {"anyOf": [{"required": [key]} for key in _PARTIAL]},
            "then": _ref("changes"),
            "else": _ref("recipe"),
            "definitions": dict(sorted(self.definitions.items())),
        }

    def _around(self) -> dict[str, Schema]:
        """The sections that are about whole recipes."""
        name = {"type": "string", "minLength": 1}
        values = or_reference({"type": "array", "minItems": 1})
        study = {
            "matrix": {"type": "object", "additionalProperties": values},
            "repeat": or_reference({"type": "integer", "minimum": 1, "maximum": MOST_RUNS}),
        }
        run = self._changes({**study, "extends": name})
        self.definitions["run"] = run
        study |= {"runs": {"type": "object", "additionalProperties": {"anyOf": [{"type": "null"}, _ref("run")]}}}
        self.definitions["demo"] = self._changes(study)
        around = {**study, "extends": _either([name, {"type": "array", "items": name}]), "demo": _ref("demo")}
        return {key: {**_or_null(schema), "description": SECTIONS[key].doc} for key, schema in around.items()}

    def _changes(self, more: dict[str, Schema]) -> Schema:
        """Sections merged onto others: arguments may be given without the component's name, nothing is required."""
        sections = self._sections(partial=True)
        for group in self.groups("trainers"):
            for parameter in trainer_sections(group.spec):
                known = [sections[parameter.name]] if parameter.name in sections else []
                own = parameter_schema(_without_default(parameter), self._nested(partial=True))
                sections[parameter.name] = _either([*known, own])
        return {"type": "object", "properties": {**sections, **more}, "additionalProperties": False}

    def _sections(self, *, partial: bool) -> dict[str, Schema]:
        """The sections of every recipe, whatever its trainer; null leaves an optional one out."""
        found = {}
        for section in SECTIONS.values():
            if not section.planned:
                continue
            kind = uses(section.type) if named_by_default(section) else None
            if kind is not None:
                schema = self._component(kind, partial=partial, default=section.default)
            else:
                schema = parameter_schema(replace(section, default=None, doc=""), self._nested(partial=partial))
            schema = {"allOf": [schema]} if section.required else _or_null(schema)
            found[section.name] = {**schema, "description": section.doc}
        return found

    def _sections_of_trainer(self, group: _Group) -> Schema:
        """If the trainer is this one: the sections that it asks for, and none else."""
        own = trainer_sections(group.spec)
        sections = {each.name: parameter_schema(each, self._nested(partial=False)) for each in own}
        self.definitions[f"sections.{group.key}"] = {
            "properties": {**dict.fromkeys(SECTIONS, True), **sections},
            "required": [each.name for each in own if each.required],
            "additionalProperties": False,
        }
        named = {"type": "object", "required": ["use"], "properties": {"use": group.called}}
        trainer = {"anyOf": [{"type": "string", **group.called}, named]}
        condition = {"required": ["trainer"], "properties": {"trainer": trainer}}
        return {"if": condition, "then": _ref(f"sections.{group.key}")}

    # --- components -----------------------------------------------------------------------------

    def _nested(self, *, partial: bool) -> Defined:
        """Lists are replaced as a whole, so that what is in them is always complete."""
        return lambda wanted, inside: self._defined(wanted, partial=partial and not inside)

    def _defined(self, wanted: Type, *, partial: bool) -> Schema:
        """A reference to the definition of a component's kind, or of settings."""
        if wanted.form == "component":
            return self._component(wanted.of, partial=partial)
        key = wanted.of.__name__.removesuffix("Settings").lower()
        if key not in self.definitions:
            parameters = ComponentSpec.of(wanted.of).parameters
            properties = {each.name: parameter_schema(each, self._nested(partial=True)) for each in parameters}
            self.definitions[key] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {"anyOf": [_ref(key), _ref("reference")]}

    def _component(self, kind: str, *, partial: bool, default: str | None = None) -> Schema:
        """A reference to the definition of a component of the kind: its bare name, or a mapping with ``use``."""
        key = f"{'changed.' if partial else ''}{kind}"
        if key not in self.definitions:
            self.definitions[key] = {}  # a component may hold others of its kind
            self.definitions[key] = self._any_of_kind(kind, partial=partial, default=default)
        return _ref(key)

    def _any_of_kind(self, kind: str, *, partial: bool, default: str | None) -> Schema:
        groups = self.groups(kind)
        self.definitions[f"{kind}.names"] = self._names(kind)
        cases = [
            {"if": {"required": ["use"], "properties": {"use": group.called}}, "then": then}
            for group in groups
            if (then := self._arguments(kind, group, partial=partial))
        ]
        unnamed = {"not": {"required": ["use"]}}
        if partial:
            cases.append({"if": unnamed, "then": self._arguments_of_any(kind)})
        elif default is not None:
            cases += [
                {"if": unnamed, "then": self._arguments(kind, group, partial=False)}
                for group in groups
                if group.names == [default]
            ]
        mapping: Schema = {"type": "object", "properties": {"use": _ref(f"{kind}.names")}, "allOf": cases}
        if not partial and default is None:
            mapping["required"] = ["use"]
        return {"anyOf": [_ref(f"{kind}.names"), mapping]}

    def _names(self, kind: str) -> Schema:
        """Every name that a recipe may write."""
        choices: list[Schema] = []
        for group in self.groups(kind):
            if len(group.names) == 1 and group.listed:
                choices.append({"const": group.names[0], "description": group.summary})
            elif group.listed:
                choices.append({"enum": _with_aliases(kind, group.names)})
            qualified = {"pattern": f"^{re.escape(group.owner)}:{group.pattern}$"}
            choices.append({"type": "string", **(qualified if group.alike and group.listed else group.called)})
        return {"anyOf": [*choices, _ref("reference")]}

    def _arguments(self, kind: str, group: _Group, *, partial: bool) -> Schema:
        """What may be written beside ``use``; nothing where that is not known."""
        if group.spec is None:
            return {}
        parameters = group.arguments(kind)
        holds = partial and any(uses(each.type) for each in parameters)
        key = f"{'changed.' if holds else ''}{kind}.{group.key}"
        if key not in self.definitions:
            self.definitions[key] = {}
            self.definitions[key] = self._closed(parameters, partial=partial, summary=group.summary)
        required = [each.name for each in parameters if each.required]
        return {"allOf": [_ref(key), {"required": required}]} if required and not partial else _ref(key)

    def _arguments_of_any(self, kind: str) -> Schema:
        """Arguments without a name: those that any component of the kind takes."""
        by_name: dict[str, list[Schema]] = {}
        for group in self.groups(kind):
            for each in group.arguments(kind):
                schema = parameter_schema(_without_default(each), self._nested(partial=True))
                by_name.setdefault(each.name, []).append(schema)
        properties = {name: _either(schemas) for name, schemas in sorted(by_name.items())}
        if any(group.spec is None for group in self.groups(kind)):
            return {"properties": properties}
        return {"properties": properties, "additionalProperties": False}

    def _closed(self, parameters: Iterable[Parameter], *, partial: bool, summary: str) -> Schema:
        properties = {each.name: parameter_schema(each, self._nested(partial=partial)) for each in parameters}
        closed: Schema = {"properties": {"use": True, **properties}, "additionalProperties": False}
        return {"description": summary, **closed} if summary else closed

    # --- the registry ---------------------------------------------------------------------------

    def groups(self, kind: str) -> list[_Group]:
        """The components of a kind, those together that take the same arguments."""
        if kind not in self._groups:
            offers = self.registry.components(kind)
            targets = {(each.name, each.target) for each in offers}
            ambiguous = {name for name, count in Counter(name for name, _ in targets).items() if count > 1}
            self._groups[kind] = [
                group
                for component in offers
                for group in (self._of_zoo(component) if component.is_zoo else [self._of_one(component, ambiguous)])
            ]
        return self._groups[kind]

    def _of_one(self, component: Component, ambiguous: set[str]) -> _Group:
        names = [component.name, *aliases_of(component.kind, component.name)]
        pattern = "|".join(map(re.escape, names))
        shown = component.name
        if component.name in ambiguous:  # only the distribution makes it unique
            shown = f"{component.distribution}:{component.name}"
            pattern = re.escape(shown)
        try:
            spec = component.spec()
        except PluginError as error:
            self.broken.append(str(error))
            return _Group([shown], pattern, component.distribution, None)
        summary = shortened(spec.summary or component.summary, _LONGEST_SUMMARY)
        return _Group([shown], pattern, component.distribution, spec, summary)

    def _of_zoo(self, zoo: Component) -> list[_Group]:
        """The members together that take the same arguments."""
        found: dict[str, _Group] = {}
        prefix = re.escape(zoo.name.removesuffix("*"))
        try:
            names = zoo.names()
            for name in names:
                member = replace(zoo, name=name, member=name.removeprefix(zoo.name.removesuffix("*")))
                spec = member.spec()
                key = repr(spec.parameters)
                if key in found:
                    found[key].names.append(name)
                else:
                    found[key] = _Group([name], "", zoo.distribution, spec, shortened(spec.summary, _LONGEST_SUMMARY))
        except PluginError as error:
            self.broken.append(str(error))
            return [_Group([zoo.name], f"{prefix}.+", zoo.distribution, None, listed=False)]
        if len(found) == 1 and len(names) > 1:
            (group,) = found.values()
            group.key = re.sub(r"[^\w-]+", "", zoo.name)
            group.listed, group.pattern, group.alike = self.zoos, f"{prefix}.+", True
            return [group]
        for group in found.values():
            group.pattern = "|".join(map(re.escape, _with_aliases(zoo.kind, group.names)))
        return list(found.values())


def _ref(key: str) -> Schema:
    return {"$ref": f"#/definitions/{key}"}


def _either(schemas: Iterable[Schema]) -> Schema:
    """The alternatives, each once."""
    flat = [each for schema in schemas for each in (schema["anyOf"] if set(schema) == {"anyOf"} else [schema])]
    distinct = list({json.dumps(each, sort_keys=True): each for each in flat}.values())
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _or_null(schema: Schema) -> Schema:
    return _either([schema, {"type": "null"}])


def _without_default(parameter: Parameter) -> Parameter:
    """Of many components together, no default and no doc holds for all."""
    return replace(parameter, default=None, doc="")


def _with_aliases(kind: str, names: Iterable[str]) -> list[str]:
    return [word for name in names for word in (name, *aliases_of(kind, name))]
