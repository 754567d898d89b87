"""What may be written at a dotted path of a recipe: its keys, and its values. For completion on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from ..catalog.registry import Registry, UnknownName
from ..catalog.spec import ComponentSpec, Parameter
from ..errors import PluginError
from ..recipe.grammar import SECTIONS, STUDY_SECTIONS, arguments_of, trainer_sections
from ..recipe.overrides import merge
from ..recipe.types import Form, Type, describe_type, shown, type_of
from ..recipe.yaml import NOWHERE, Node, as_node


@dataclass(frozen=True)
class Field:
    """A dotted path of a recipe.

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
        """The fields below it, by their keys."""
        below = dict(self.node.children()) if self.node is not None else {}
        if self.type.form == "list":
            return {key: self._below(self.type.item, node, _name(node) or "") for key, node in below.items()}
        if self.type.form == "mapping":
            return {key: self._below(self.type.item, node, "a run") for key, node in below.items()}
        return {each.name: self._of(each, below.get(each.name)) for each in self._parameters() if not each.supplied}

    def at(self, *path: str) -> Field:
        """The field below it at a path; an unknown one where the path does not exist."""
        found = self
        for key in path:
            other = found.type.item if found.type.form == "list" else Type("other")
            found = found.keys.get(key) or found._below(other, None)
        return found

    @property
    def opens(self) -> bool:
        """Whether keys may follow."""
        forms: tuple[Form, ...] = ("component", "settings", "recipe")
        return any(map(self.type.find, forms)) or bool(self.keys)

    def values(self, near: str) -> Iterator[tuple[str, str]]:
        """The values that begin with ``near``, with what each is; one that ends in / goes on."""
        for each in (self.type, *self.type.members) if self.type.form in ("union", "list") else (self.type,):
            scalars = {"boolean": (True, False), "null": (None,), "choice": each.choices}.get(each.form, ())
            words = (value if isinstance(value, str) else shown(value) for value in scalars)
            yield from ((word, "") for word in words if word.startswith(near))
            if each.form == "component":
                yield from component_names(self.registry, each.of, near)

    def _parameters(self) -> tuple[Parameter, ...]:
        wanted = self.type.find("component") or self.type
        if wanted.form == "settings":
            return ComponentSpec.of(wanted.of).parameters
        if wanted.form == "component":
            spec = self._spec(wanted.of, self.node)
            named = Parameter("use", str, doc="the name; keeps the arguments beside it")
            return (named, *arguments_of(wanted.of, spec))
        if wanted.form == "recipe":
            spec = self._spec("trainers", self.node.get("trainer") if self.node is not None else None)
            return (*(trainer_sections(spec) if spec else ()), *(each for each in SECTIONS.values() if each.settable))
        return ()

    def _of(self, parameter: Parameter, node: Node | None) -> Field:
        """The field of one of its parameters."""
        wanted = type_of(parameter.type)
        if parameter.name == "use" and (own := self.type.find("component")):
            wanted = own
        elif self.type.form == "recipe" and parameter.name == "runs":
            wanted, node = Type("mapping", (Type("recipe"),)), self._runs(node)
        elif isinstance(parameter.default, str) and wanted.find("component") and _name(node) is None:
            given = node.value if node is not None and isinstance(node.value, dict) else {}
            node = Node({"use": as_node(parameter.default), **given}, NOWHERE)
        return self._below(wanted, node, parameter.doc or describe_type(parameter.type))

    def _runs(self, node: Node | None) -> Node | None:
        """The runs of a study, each merged onto the recipe."""
        if self.node is None or node is None:
            return None
        base = Node({k: v for k, v in self.node.value.items() if k not in STUDY_SECTIONS}, self.node.location)
        runs = {name: merge(base, run) if isinstance(run.value, dict) else base for name, run in node.children()}
        return Node(runs, node.location)

    def _spec(self, kind: str, node: Node | None) -> ComponentSpec | None:
        with suppress(UnknownName, PluginError):
            return self.registry.find(kind, _name(node) or "").spec()
        return None

    def _below(self, wanted: Type, node: Node | None, doc: str = "") -> Field:
        return Field(self.registry, wanted, node, doc)


def component_names(registry: Registry, kind: str, near: str) -> Iterator[tuple[str, str]]:
    """Component names of a kind that begin with ``near``, with their summaries; a zoo not yet entered as its prefix."""
    for component in registry.components(kind):
        qualified = f"{component.distribution}:{component.name}"
        if component.is_zoo and near.startswith(component.prefix):
            with suppress(PluginError):
                yield from ((name, "") for name in component.names() if name.startswith(near))
        elif component.prefix.startswith(near):
            yield component.prefix, component.summary
        elif ":" in near and not component.is_zoo and qualified.startswith(near):
            yield qualified, component.summary


def _name(node: Node | None) -> str | None:
    """The component or text that a node names."""
    use = node.get("use") if node is not None and isinstance(node.value, dict) else node
    return use.value if use is not None and isinstance(use.value, str) else None
