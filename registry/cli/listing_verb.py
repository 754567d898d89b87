"""``list`` and ``describe``: what the installed plugins offer."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from ..catalog.components import Component
from ..catalog.introspect import Unread
from ..catalog.kinds import KINDS, kind_named
from ..catalog.registry import Registry, UnknownName
from ..catalog.spec import REQUIRED, Parameter
from ..errors import InputError, did_you_mean
from ..recipe.types import describe_type


def kind_called(word: str | None) -> str | None:
    """The plural kind that a word on the command line means.

    Raises:
        InputError: no kind is called so.
    """
    if word is None:
        return None
    kind = kind_named(word)
    if kind is None:
        raise InputError.of(
            "KIND", f"there is no kind {word!r}", did_you_mean(word, KINDS, f"kinds: {', '.join(KINDS)}")
        )
    return kind.name


def list_components(kind: str | None, pattern: str | None, *, verify: bool) -> list[dict[str, Any]]:
    """Rows of ``kind, name, distribution, version, target, summary, broken``.

    Args:
        kind: a kind in the singular or plural; None for all. A word that is no kind is taken as the pattern.
        pattern: shell pattern or part of a name.
        verify: load each component's spec; ``broken`` then holds the reason or None.
    """
    if kind is not None and pattern is None and kind_named(kind) is None and not did_you_mean(kind, KINDS):
        kind, pattern = None, kind
    registry, wanted = Registry(), kind_called(kind)
    rows = [_row(component, component.fault() if verify else None) for component in registry.matching(wanted, pattern)]
    return rows + (_incompatible(registry, wanted, pattern) if verify else [])


def _incompatible(registry: Registry, kind: str | None, pattern: str | None) -> list[dict[str, Any]]:
    """Rows of what is installed and written for another version of the plugin API; nothing of it is loaded."""
    wild = "*" if not pattern else pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return [
        _row(component, f"not offered: it {refusal.reason}; {refusal.hint}")
        for component, refusal in registry.refused(kind)
        if not refusal.blocked and fnmatch.fnmatchcase(component.name, wild)
    ]


def _row(component: Component, fault: str | None) -> dict[str, Any]:
    return {
        "kind": component.kind,
        "name": component.name,
        "distribution": component.distribution,
        "version": component.version,
        "target": component.target,
        "summary": component.summary,
        "broken": fault,
    }


def describe(name: str, kind: str | None) -> list[dict[str, Any]]:
    """Everything about the components of a name, one entry for each kind that has it.

    Raises:
        InputError: no component has the name.
        PluginError: the component is broken.
    """
    registry, wanted = Registry(), kind_called(kind)
    try:
        found = [component for component in registry.find_all(name) if wanted in (None, component.kind)]
    except UnknownName as ambiguous:
        raise InputError.of("NAME", ambiguous.message, ambiguous.hint) from ambiguous
    zoos = [c for c in registry.components(wanted) if c.is_zoo and name in (c.name, c.name.removesuffix("/*"))]
    if not found and not zoos:
        names = [each for k in KINDS if wanted in (None, k) for each in registry.names(k, name)]
        raise InputError.of("NAME", f"no component is called {name!r}", did_you_mean(name, names, "see 'hw1cli list'"))
    return [_full(component) for component in found] + [_zoo(component) for component in zoos]


def _zoo(component: Component) -> dict[str, Any]:
    names = component.names()
    return {
        **_row(component, None),
        "contract": f"a zoo of {len(names)} names",
        "names": names,
        "example": component.example,
    }


def _full(component: Component) -> dict[str, Any]:
    spec = component.spec()
    details: Mapping[str, str] = spec.details() if spec.details else {}
    return {
        **_row(component, None),
        "summary": spec.summary,
        "doc": spec.doc,
        "contract": KINDS[component.kind].contract,
        "parameters": [_parameter(parameter) for parameter in spec.parameters],
        "details": dict(details),
        "example": _example(component, spec.parameters),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    shown = None if parameter.default is REQUIRED else parameter.default
    return {
        "name": parameter.name,
        "type": describe_type(parameter.type),
        "required": parameter.required,
        "from_data": parameter.supplied,
        "default": str(shown) if isinstance(shown, Unread) else shown,
        "doc": parameter.doc,
    }


def _example(component: Component, parameters: tuple[Parameter, ...]) -> str:
    """A line for a recipe, with the required arguments to be filled in."""
    key = {"datasets": "data"}.get(component.kind, KINDS[component.kind].singular)
    required = "".join(f", {parameter.name}: ..." for parameter in parameters if parameter.required)
    return f"{key}: {{use: {component.name}{required}}}"
