"""What may stand at a dotted path of a recipe: the keys below it, and the values it may have. For completion."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.kinds import Uses
from ..catalog.registry import Registry, UnknownName
from ..catalog.spec import ComponentSpec, Parameter, annotations_of, bare
from ..errors import PluginError
from .grammar import LoopSettings, RuntimeSettings, SplitSettings
from .planner import SECTIONS
from .study import STUDY_SECTIONS
from .types import describe_type, uses
from .yaml import Node

#: Sections that cannot be changed from the command line.
_FIXED: Final = ("demo", "extends")
_COMPONENTS: Final = {
    "data": "datasets",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "make": "generators",
}
#: What they are where a recipe leaves them out.
_DEFAULTS: Final = {"optimizer": "adamw", "schedule": "constant"}


@dataclass(frozen=True)
class Key:
    """A key that may stand at a place.

    Args:
        name: the key.
        doc: what it is.
        opens: whether there are keys below it.
        is_list: whether a list stands there, to which ``+=`` appends.
    """

    name: str
    doc: str = ""
    opens: bool = False
    is_list: bool = False


class Place:
    """A place in a recipe; this one holds nothing that can be told."""

    is_list = False

    def entries(self) -> Iterable[Key]:
        """The keys that may stand below it."""
        return ()

    def child(self, name: str) -> Place:
        """The place below a key."""
        return Place()

    def values(self, near: str) -> Iterable[tuple[str, str]]:
        """The values that it may have and begin with ``near``, with what each is; one that ends in / goes on."""
        return ()


class Values(Place):
    """A place with a few values."""

    def __init__(self, *values: str) -> None:
        self._values = values

    def values(self, near: str) -> Iterable[tuple[str, str]]:
        return ((value, "") for value in self._values if value.startswith(near))


class Listed(Place):
    """A list, its items by their numbers."""

    is_list = True

    def __init__(self, item: Any, node: Node | None) -> None:
        self._item = item  # a function of an item's node (None for a new one) to its place
        self._nodes: list[Node] = node.value if node is not None and isinstance(node.value, list) else []

    def entries(self) -> Iterable[Key]:
        for index, node in enumerate(self._nodes):
            use = node.value.get("use") if isinstance(node.value, dict) else node
            opens = any(True for _ in self._item(node).entries())
            yield Key(str(index), str(use.plain()) if use is not None else "", opens)

    def child(self, name: str) -> Place:
        known = name.isdecimal() and int(name) < len(self._nodes)
        return self._item(self._nodes[int(name)] if known else None)  # type: ignore[no-any-return]

    def values(self, near: str) -> Iterable[tuple[str, str]]:
        """Of a new item."""
        return self._item(None).values(near)  # type: ignore[no-any-return]

    def present(self) -> Iterator[str]:
        """The names of the components, and the texts, that are in it."""
        for node in self._nodes:
            use = node.value.get("use") if isinstance(node.value, dict) else node
            if use is not None and isinstance(use.value, str):
                yield use.value


class Arguments(Place):
    """Keys with types: a settings section, or what stands beside a component's ``use``."""

    def __init__(self, registry: Registry, parameters: Iterable[Parameter], node: Node | None) -> None:
        self.registry = registry
        self.parameters = {each.name: each for each in parameters}
        self.node = node

    def entries(self) -> Iterable[Key]:
        for each in self.parameters.values():
            if each.supplied:
                continue
            place = self.child(each.name)
            doc = each.doc or describe_type(each.type)
            yield Key(each.name, doc, uses(each.type) is not None, place.is_list)

    def child(self, name: str) -> Place:
        if name not in self.parameters:
            return Place()
        below = _child(self.node, name)
        default = self.parameters[name].default
        if below is None and isinstance(default, str) and uses(self.parameters[name].type):
            below = _named(default)
        return _of_type(self.registry, self.parameters[name].type, below)


class ComponentPlace(Place):
    """A component: its name, and the arguments of the one that is chosen."""

    def __init__(self, registry: Registry, kind: str, node: Node | None) -> None:
        self.registry, self.kind, self.node = registry, kind, node

    def entries(self) -> Iterable[Key]:
        yield Key("use", "the name; keeps the arguments beside it")
        yield from self._arguments().entries()

    def child(self, name: str) -> Place:
        return ComponentName(self.registry, self.kind) if name == "use" else self._arguments().child(name)

    def values(self, near: str) -> Iterable[tuple[str, str]]:
        return names(self.registry, self.kind, near)

    def _arguments(self) -> Arguments:
        return Arguments(self.registry, self._parameters(), self.node)

    def _parameters(self) -> tuple[Parameter, ...]:
        use = self.node.value.get("use") if self.node is not None and isinstance(self.node.value, dict) else self.node
        if use is None or not isinstance(use.value, str):
            return ()
        try:
            return self.registry.find(self.kind, use.value).spec().parameters
        except (UnknownName, PluginError):
            return ()


class ComponentName(Place):
    """The name of a component alone."""

    def __init__(self, registry: Registry, kind: str) -> None:
        self.registry, self.kind = registry, kind

    def values(self, near: str) -> Iterable[tuple[str, str]]:
        return names(self.registry, self.kind, near)


class TrainerPlace(ComponentPlace):
    """The trainer: its own arguments and the loop's, without the components, which are sections."""

    def _parameters(self) -> tuple[Parameter, ...]:
        own = [each for each in super()._parameters() if uses(each.type) is None]
        return (*own, *ComponentSpec.of(LoopSettings).parameters)

    def sections(self) -> tuple[Parameter, ...]:
        """The sections that it asks for."""
        return tuple(each for each in super()._parameters() if uses(each.type) is not None)


class RecipePlace(Place):
    """A whole recipe."""

    def __init__(self, registry: Registry, root: Node | None) -> None:
        self.registry, self.root = registry, root
        self._trainer = TrainerPlace(registry, "trainers", _child(root, "trainer"))

    def entries(self) -> Iterable[Key]:
        for each in self._trainer.sections():
            yield Key(each.name, each.doc, True, self.child(each.name).is_list)
        for name, doc in SECTIONS.items():
            if name not in _FIXED:
                place = self.child(name)
                yield Key(name, doc, name in ("trainer", "augment") or type(place) is not Place, place.is_list)

    def child(self, name: str) -> Place:
        node = _child(self.root, name)
        for each in self._trainer.sections():
            if each.name == name:
                return Arguments(self.registry, (each,), self.root).child(name)
        if name == "trainer":
            return self._trainer
        if name in _COMPONENTS:
            if name in _DEFAULTS and _child(node, "use") is None and (node is None or isinstance(node.value, dict)):
                below = node.value if node is not None and isinstance(node.value, dict) else {}
                node = _named(_DEFAULTS[name], below)
            return ComponentPlace(self.registry, _COMPONENTS[name], node)
        if name == "augment":
            return _Augment(self.registry, node)
        if name == "reports":
            return Listed(lambda item: ComponentPlace(self.registry, "reports", item), node)
        if name in ("runtime", "split"):
            settings = RuntimeSettings if name == "runtime" else SplitSettings
            return Arguments(self.registry, ComponentSpec.of(settings).parameters, node)
        if name == "runs" and node is not None and isinstance(node.value, dict):
            return _Runs(self.registry, self.root, node)
        return Place()


class _Augment(Place):
    def __init__(self, registry: Registry, node: Node | None) -> None:
        self.registry, self.node = registry, node

    def entries(self) -> Iterable[Key]:
        yield Key("train", "of training images, in order", True, True)
        yield Key("eval", "of evaluation images, in order", True, True)

    def child(self, name: str) -> Place:
        return Listed(
            lambda item: ComponentPlace(self.registry, "augmentations", item),
            _child(self.node, name),
        )


class _Runs(Place):
    """The runs of a study; each changes the recipe."""

    def __init__(self, registry: Registry, root: Node | None, node: Node) -> None:
        self.registry, self.root, self.node = registry, root, node

    def entries(self) -> Iterable[Key]:
        return [Key(name, "a run", True) for name in self.node.value]

    def child(self, name: str) -> Place:
        from .load import merge

        own = _child(self.node, name)
        if own is None or self.root is None:
            return Place()
        base = {key: node for key, node in self.root.value.items() if key not in STUDY_SECTIONS}
        changed = merge(Node(base, self.root.place), own) if isinstance(own.value, dict) else Node(base, own.place)
        return RecipePlace(self.registry, changed)


def place_at(root: Place, path: Iterable[str]) -> Place:
    """The place at a path below another one."""
    for part in path:
        root = root.child(part)
    return root


def names(registry: Registry, kind: str, near: str) -> Iterator[tuple[str, str]]:
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


def _of_type(registry: Registry, annotation: Any, node: Node | None) -> Place:
    for mark in annotations_of(annotation):
        if isinstance(mark, Uses):
            return ComponentPlace(registry, mark.kind, node)
    plain = bare(annotation)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin in (Union, types.UnionType):
        members = [_of_type(registry, argument, node) for argument in arguments]
        components = [each for each in members if isinstance(each, ComponentPlace)]
        if components:
            return components[0]
        words = [value for each in members if isinstance(each, Values) for value, _ in each.values("")]
        return Values(*dict.fromkeys(words))
    if origin is Literal:
        return Values(*(_written(value) for value in arguments))
    if plain is bool:
        return Values("true", "false")
    if plain is type(None):
        return Values("null")
    if origin in (list, tuple) and arguments:
        return Listed(lambda item: _of_type(registry, arguments[0], item), node)
    return Place()


def _written(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _child(node: Node | None, name: str) -> Node | None:
    return node.value.get(name) if node is not None and isinstance(node.value, dict) else None


def _named(name: str, beside: Mapping[str, Node] | None = None) -> Node:
    from .planner import as_node

    return Node({**as_node({"use": name}).value, **(beside or {})}, as_node(None).place)
