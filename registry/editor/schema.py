"""The JSON schema of recipes, from the installed plugins: with it editors complete and underline."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ..catalog.components import Component
from ..catalog.policy import aliases_of
from ..catalog.registry import Registry
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import PluginError
from ..recipe.grammar import FRAMEWORK, MOST_RUNS, SECTIONS, arguments_of, named_by_default, trainer_sections
from ..recipe.types import Type, type_of, uses
from . import schema_types
from .schema_types import SHARED, Schema, default_schema, either, or_reference, scalar_schema, union_schema

#: Sections of a recipe of several runs, or of one that changes another: required keys may be missing in these.
_PARTIAL: Final = ("extends", "runs", "matrix")
#: Characters of a component's summary, and of a parameter's doc, that are kept.
_LONGEST_SUMMARY, _LONGEST_DOC = 240, 160


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
        kind: theirs.
        owner: their distribution.
        names: of its members.
        spec: the spec of the first; None where it is broken.
        zoo: the prefix that stands for all of them, where they are a whole zoo.
        listed: whether the names are to be listed.
    """

    kind: str
    owner: str
    names: list[str]
    spec: ComponentSpec | None
    zoo: str = ""
    listed: bool = True

    @property
    def key(self) -> str:
        """What its definition is called."""
        return re.sub(r"[^\w-]+", "", self.zoo) or re.sub(r"[^\w.-]+", ".", self.names[0]).strip(".")

    @property
    def spellings(self) -> list[str]:
        """The names with their aliases."""
        return [word for name in self.names for word in (name, *aliases_of(self.kind, name))]

    @property
    def pattern(self) -> str:
        """Matches the names that mean a member, without the distribution."""
        return f"{re.escape(self.zoo)}.+" if self.zoo else "|".join(map(re.escape, self.spellings))

    @property
    def called(self) -> Schema:
        """The names that mean a member."""
        return {"pattern": f"^(?:{re.escape(self.owner)}:)?(?:{self.pattern})$"}

    @property
    def summary(self) -> str:
        return "broken" if self.spec is None else _shortened(self.spec.summary, _LONGEST_SUMMARY)

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """What a recipe writes beside ``use``."""
        if self.spec is None:
            return ()
        return arguments_of(self.kind, self.spec)


class _Writer:
    def __init__(self, registry: Registry, *, zoos: bool) -> None:
        self.registry, self.zoos = registry, zoos
        self.broken: list[str] = []
        self.definitions: dict[str, Schema] = dict(SHARED)
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
            "definitions": dict(sorted(schema_types.share_repeated(self.definitions).items())),
        }

    def _around(self) -> dict[str, Schema]:
        """The sections that are about whole recipes."""
        name = {"type": "string", "minLength": 1}
        values = or_reference({"type": "array", "minItems": 1})
        study = {
            "matrix": {"type": "object", "additionalProperties": values},
            "repeat": or_reference({"type": "integer", "minimum": 1, "maximum": MOST_RUNS}),
        }
        self.definitions["run"] = self._changes({**study, "extends": name})
        study |= {key: self._parameter(_without_default(SECTIONS[key]), partial=True) for key in ("page", "sweep")}
        study |= {"runs": {"type": "object", "additionalProperties": {"anyOf": [{"type": "null"}, _ref("run")]}}}
        self.definitions["demo"] = self._changes(study)
        around = {**study, "extends": either([name, {"type": "array", "items": name}]), "demo": _ref("demo")}
        return {key: {**_or_null(schema), "description": SECTIONS[key].doc} for key, schema in around.items()}

    def _changes(self, more: dict[str, Schema]) -> Schema:
        """Sections merged onto others: arguments may be given without the component's name, nothing is required."""
        sections = self._sections(partial=True)
        for group in self.groups("trainers"):
            for parameter in trainer_sections(group.spec):
                known = [sections[parameter.name]] if parameter.name in sections else []
                own = self._parameter(_without_default(parameter), partial=True)
                sections[parameter.name] = either([*known, own])
        return {"type": "object", "properties": {**sections, **more}, "additionalProperties": False}

    def _sections(self, *, partial: bool) -> dict[str, Schema]:
        """The sections of every recipe, whatever its trainer; null leaves an optional one out."""
        found = {}
        for section in SECTIONS.values():
            if section.planned:
                if named_by_default(section):
                    schema = self._component(type_of(section.type).of, partial=partial, default=section.default)
                else:
                    schema = self._parameter(_without_default(section), partial=partial)
                schema = {"allOf": [schema]} if section.required else _or_null(schema)
                found[section.name] = {**schema, "description": section.doc}
        return found

    def _sections_of_trainer(self, group: _Group) -> Schema:
        """If the trainer is this one: the sections that it asks for, and no others."""
        own = trainer_sections(group.spec)
        sections = {each.name: self._parameter(each, partial=False) for each in own}
        self.definitions[f"sections.{group.key}"] = {
            "properties": {**dict.fromkeys(SECTIONS, True), **sections},
            "required": [each.name for each in own if each.required],
            "additionalProperties": False,
        }
        named = {"type": "object", "required": ["use"], "properties": {"use": group.called}}
        trainer = {"anyOf": [{"type": "string", **group.called}, named]}
        condition = {"required": ["trainer"], "properties": {"trainer": trainer}}
        return {"if": condition, "then": _ref(f"sections.{group.key}")}

    # --- parameters and their types -------------------------------------------------------------

    def _parameter(self, parameter: Parameter, *, partial: bool) -> Schema:
        """The schema of one parameter, with its doc and its default."""
        schema = or_reference(self._type(type_of(parameter.type), partial=partial))
        doc = f"{parameter.doc} (The run supplies it.)".strip() if parameter.supplied else parameter.doc
        notes = {**({"description": _shortened(doc, _LONGEST_DOC)} if doc else {}), **default_schema(parameter.default)}
        # Beside a $ref everything else is ignored.
        return {"allOf": [schema], **notes} if notes and "$ref" in schema else {**schema, **notes}

    def _type(self, wanted: Type, *, partial: bool) -> Schema:
        """What a recipe may write for a type, references aside; lists are replaced, so what is in them is complete."""
        if wanted.form == "component":
            return self._component(wanted.of, partial=partial)
        if wanted.form == "settings":
            key = wanted.of.__name__.removesuffix("Settings").lower()
            reference = self._defined(key, lambda: self._closed(ComponentSpec.of(wanted.of).parameters, partial=True))
            self.definitions[key] = {"type": "object", **self.definitions[key]}
            return {"anyOf": [reference, _ref("reference")]}
        inner = [self._type(member, partial=partial and wanted.form != "list") for member in wanted.members]
        if wanted.form == "union":
            return union_schema(inner)
        items = [or_reference(schema) for schema in inner]
        if wanted.form == "list" and wanted.fixed:
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        if wanted.form == "list":
            return {"type": "array", **({"items": items[0]} if items else {})}
        if wanted.form == "mapping":
            return {"type": "object", **({"additionalProperties": items[0]} if items else {})}
        return scalar_schema(wanted)

    def _closed(self, parameters: Iterable[Parameter], *, partial: bool) -> Schema:
        """These parameters and no others."""

        def one(each: Parameter) -> Schema:
            schema = self._parameter(each, partial=partial)
            return self._defined(f"setting.{each.name}", lambda: schema) if each in FRAMEWORK else schema

        own = {each.name: one(each) for each in parameters if each.name != "params"}  # which no recipe can write
        return {"properties": own, "additionalProperties": False}

    def _defined(self, key: str, write: Callable[[], Schema]) -> Schema:
        """A reference to a definition, which is written at its first use."""
        if key not in self.definitions:
            self.definitions[key] = {}  # a component may hold others of its kind
            self.definitions[key] = write()
        return _ref(key)

    # --- components -----------------------------------------------------------------------------

    def _component(self, kind: str, *, partial: bool, default: str | None = None) -> Schema:
        """A reference to the definition of a component of the kind: its bare name, or a mapping with ``use``."""
        key = f"{'changed.' if partial else ''}{kind}"
        return self._defined(key, lambda: self._any_of_kind(kind, partial=partial, default=default))

    def _any_of_kind(self, kind: str, *, partial: bool, default: str | None) -> Schema:
        groups = self.groups(kind)
        self.definitions[f"{kind}.names"] = self._names(kind)
        cases = [
            {"if": {"required": ["use"], "properties": {"use": group.called}}, "then": then}
            for group in groups
            if (then := self._arguments(group, partial=partial))
        ]
        unnamed = {"not": {"required": ["use"]}}
        if partial:
            cases.append({"if": unnamed, "then": self._arguments_of_any(kind)})
        elif default is not None:
            own = (group for group in groups if group.names == [default])
            cases += [{"if": unnamed, "then": self._arguments(group, partial=False)} for group in own]
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
                choices.append({"enum": group.spellings})
            qualified = {"pattern": f"^{re.escape(group.owner)}:{group.pattern}$"}
            choices.append({"type": "string", **(qualified if group.zoo and group.listed else group.called)})
        return {"anyOf": [*choices, _ref("reference")]}

    def _arguments(self, group: _Group, *, partial: bool) -> Schema:
        """What may be written beside ``use``; nothing where that is not known."""
        if group.spec is None:
            return {}

        def write() -> Schema:
            closed = self._closed(group.arguments, partial=partial)
            described = {"description": group.summary} if group.summary else {}
            return {**described, **closed, "properties": {"use": True, **closed["properties"]}}

        holds = partial and any(uses(each.type) for each in group.arguments)
        reference = self._defined(f"{'changed.' if holds else ''}{group.kind}.{group.key}", write)
        required = [each.name for each in group.arguments if each.required]
        return {"allOf": [reference, {"required": required}]} if required and not partial else reference

    def _arguments_of_any(self, kind: str) -> Schema:
        """Arguments without a name: those that any component of the kind takes."""
        by_name: dict[str, list[Schema]] = {}
        for group in self.groups(kind):
            for each in group.arguments:
                by_name.setdefault(each.name, []).append(self._parameter(_without_default(each), partial=True))
        properties: Schema = {"properties": {name: either(schemas) for name, schemas in sorted(by_name.items())}}
        broken = any(group.spec is None for group in self.groups(kind))
        return properties if broken else {**properties, "additionalProperties": False}

    # --- the registry ---------------------------------------------------------------------------

    def groups(self, kind: str) -> list[_Group]:
        """The components of a kind, those together that take the same arguments."""
        if kind not in self._groups:
            offers = self.registry.components(kind)
            targets = Counter(name for name, _ in {(each.name, each.target) for each in offers})
            self._groups[kind] = [group for each in offers for group in self._grouped(each, targets[each.name] > 1)]
        return self._groups[kind]

    def _grouped(self, component: Component, ambiguous: bool) -> list[_Group]:
        """A component by itself; the members of a zoo, those together that take the same arguments."""
        kind, owner, zoo = component.kind, component.distribution, component.prefix if component.is_zoo else ""
        # Only the distribution makes an ambiguous name unique.
        names = [f"{owner}:{component.name}" if ambiguous and not zoo else component.name]
        found: dict[str, _Group] = {}
        try:
            if not zoo:
                return [_Group(kind, owner, names, component.spec())]
            for name in component.names():
                spec = component.named(name).spec()
                found.setdefault(repr(spec.parameters), _Group(kind, owner, [], spec)).names.append(name)
        except PluginError as error:
            self.broken.append(str(error))
            return [_Group(kind, owner, names, None, zoo, listed=not zoo)]
        groups = list(found.values())
        if len(groups) == 1 and len(groups[0].names) > 1:
            return [replace(groups[0], zoo=zoo, listed=self.zoos)]
        return groups


def _ref(key: str) -> Schema:
    return {"$ref": f"#/definitions/{key}"}


def _or_null(schema: Schema) -> Schema:
    return either([schema, {"type": "null"}])


def _without_default(parameter: Parameter) -> Parameter:
    """Of many components together, no default and no doc holds for all."""
    return replace(parameter, default=None, doc="")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
