"""What may be written at a dotted path of a recipe: its keys, and its values. For completion on the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..catalog.registry import Registry, UnknownName
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import PluginError
from .grammar import SECTIONS, STUDY_SECTIONS, trainer_arguments, trainer_sections
from .overrides import merge
from .types import Type, describe_type, type_of
from .yaml import Node, as_node


@dataclass(frozen=True)
class Field:
    """A location in a recipe.

    Args:
        registry: the components that may be named.
        type: what may be written there.
        node: what is written there; None for nothing.
        doc: what it is.
    """

    registry: Registry
    type: Type
    node: Node | None = None
    doc: str = ""

    @cached_property
    def keys(self) -> dict[str, Field]:
        """The locations below it, by their keys."""
        if self.type.form == "list":
            nodes = self.node.value if self.node is not None and isinstance(self.node.value, list) else []
            return {str(at): self._below(self.type.item, item, _name(item) or "") for at, item in enumerate(nodes)}
        if self.type.form == "mapping":
            entries = self.node.value if self.node is not None and isinstance(self.node.value, dict) else {}
            return {name: self._below(self.type.item, node, "a run") for name, node in entries.items()}
        return {each.name: self._of(each) for each in self._parameters() if not each.supplied}

    def at(self, *path: str) -> Field:
        """The location below it at a path; one of which nothing is known where the path leads nowhere."""
        found = self
        for key in path:
            if found.type.form == "list" and key not in found.keys:
                found = found._below(found.type.item, None)
            else:
                found = found.keys.get(key) or found._below(Type("other"), None)
        return found

    @property
    def opens(self) -> bool:
        """Whether keys may follow."""
        found = self.type.find("component") or self.type.find("settings") or self.type.find("recipe")
        return found is not None or bool(self.keys)

    def values(self, near: str) -> Iterator[tuple[str, str]]:
        """The values that begin with ``near``, with what each is; one that ends in / goes on."""
        for each in (self.type, *self.type.members) if self.type.form in ("union", "list") else (self.type,):
            words = {"boolean": ("true", "false"), "null": ("null",), "choice": map(_written, each.choices)}
            yield from ((word, "") for word in words.get(each.form, ()) if word.startswith(near))
            if each.form == "component":
                yield from component_names(self.registry, each.of, near)

    def present(self) -> list[str]:
        """The components and texts that a list holds."""
        nodes = self.node.value if self.node is not None and isinstance(self.node.value, list) else []
        return [name for node in nodes if (name := _name(node))]

    def _parameters(self) -> tuple[Parameter, ...]:
        wanted = self.type.find("component") or self.type
        if wanted.form == "settings":
            return ComponentSpec.of(wanted.of).parameters
        if wanted.form == "component":
            spec = self._spec(wanted.of, self.node)
            own = trainer_arguments(spec) if wanted.of == "trainers" else spec.parameters if spec else ()
            return (Parameter("use", str, doc="the name; keeps the arguments beside it"), *own)
        if wanted.form == "recipe":
            spec = self._spec("trainers", _child(self.node, "trainer"))
            return (*(trainer_sections(spec) if spec else ()), *(each for each in SECTIONS.values() if each.settable))
        return ()

    def _of(self, parameter: Parameter) -> Field:
        """The location of one of its keys."""
        wanted, node = type_of(parameter.type), _child(self.node, parameter.name)
        if parameter.name == "use" and (own := self.type.find("component")):
            wanted = own
        elif self.type.form == "recipe" and parameter.name == "runs":
            wanted, node = Type("mapping", (Type("recipe"),)), self._runs(node)
        elif isinstance(parameter.default, str) and wanted.find("component") and _name(node) is None:
            below = node.value if node is not None and isinstance(node.value, dict) else {}
            node = Node({"use": as_node(parameter.default), **below}, as_node(None).location)
        return self._below(wanted, node, parameter.doc or describe_type(parameter.type))

    def _runs(self, node: Node | None) -> Node | None:
        """The runs of a study, each merged onto the recipe."""
        if self.node is None or node is None or not isinstance(node.value, dict):
            return None
        base = Node({k: v for k, v in self.node.value.items() if k not in STUDY_SECTIONS}, self.node.location)
        runs = {n: merge(base, own) if isinstance(own.value, dict) else base for n, own in node.value.items()}
        return Node(runs, node.location)

    def _spec(self, kind: str, node: Node | None) -> ComponentSpec | None:
        try:
            return self.registry.find(kind, _name(node) or "").spec()
        except (UnknownName, PluginError):
            return None

    def _below(self, wanted: Type, node: Node | None, doc: str = "") -> Field:
        return Field(self.registry, wanted, node, doc)


def component_names(registry: Registry, kind: str, near: str) -> Iterator[tuple[str, str]]:
    """Component names of a kind that begin with ``near``, with their summaries; a zoo not yet entered as its prefix."""
    for component in registry.components(kind):
        prefix = component.name.removesuffix("*")
        if not component.is_zoo:
            qualified = f"{component.distribution}:{component.name}"
            if component.name.startswith(near):
                yield component.name, component.summary
            elif ":" in near and qualified.startswith(near):
                yield qualified, component.summary
        elif near.startswith(prefix):
            with contextlib.suppress(PluginError):
                yield from ((name, "") for name in component.names() if name.startswith(near))
        elif prefix.startswith(near):
            yield prefix, component.summary


def _name(node: Node | None) -> str | None:
    """The component or text that a node names."""
    use = _child(node, "use") or node
    return use.value if use is not None and isinstance(use.value, str) else None


def _written(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _child(node: Node | None, name: str) -> Node | None:
    return node.value.get(name) if node is not None and isinstance(node.value, dict) else None
