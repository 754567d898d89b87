"""``describe``: what a component is, which arguments it takes, and how a recipe uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from .. import completion
from ..options import JSON, print_json
from .list import component_row

if TYPE_CHECKING:
    from rich.console import Console

    from ...catalog.components import Component
    from ...catalog.registry import Registry
    from ...catalog.spec import ComponentSpec, Parameter

#: Kinds of which a section holds a list.
_LISTED: Final = ("metrics", "reports", "trackers")
#: The sections that hold a component of a kind, where they are not called by its singular.
_SECTIONS: Final = {"datasets": "data", "generators": "make", **{kind: kind for kind in _LISTED}}
#: The headings of a trainer's tables: its arguments, the sections that it reads, the settings of the loop.
_OWN, _BESIDE, _COMMON = "arguments", "sections beside trainer", "arguments of every {}"
#: Values for required arguments; the first one that the argument's type accepts is shown.
_VALUES: Final = (32, 1, 64, 256, 0.5, 0.1, 2.0, ".", "text", True, [32, 32], [0.2, 0.5], ["text"], {"text": 1})


@click.command()
@click.argument("name", shell_complete=completion.component_names)
@click.option("--kind", help="Describe only the component of this kind.", shell_complete=completion.kinds)
@JSON
def describe(name: str, kind: str | None, as_json: bool) -> None:
    """Show what a component is, which arguments it takes, and which plugin offers it.

    \b
    Examples:
      hw1cli describe focal
      hw1cli describe smp/deeplabv3
      hw1cli describe timm/resnet50 --kind backbone
    """
    found = describe_components(name, kind)
    print_json(found) if as_json else _print_descriptions(found)


def describe_components(name: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Everything about the components of a name, one entry for each kind that has it.

    Raises:
        InputError: no component has the name.
        PluginError: the component is broken.
    """
    from ...catalog.kinds import KINDS, require_kind
    from ...catalog.registry import Registry, UnknownName
    from ...errors import InputError, did_you_mean

    registry, wanted = Registry(), require_kind(kind).name if kind else None
    try:
        found = [component for component in registry.find_all(name) if wanted in (None, component.kind)]
    except UnknownName as ambiguous:
        raise InputError.of("NAME", ambiguous.message, ambiguous.hint) from ambiguous
    zoos = [c for c in registry.components(wanted) if c.is_zoo and name in (c.name, c.name.removesuffix("/*"))]
    if not found and not zoos:
        names = [each for k in KINDS if wanted in (None, k) for each in registry.names(k, name)]
        what = "component" if wanted is None else KINDS[wanted].singular
        raise InputError.of("NAME", f"no {what} is named {name!r}", did_you_mean(name, names, "see 'hw1cli list'"))
    described = [_described(component, registry) for component in found]
    for zoo in zoos:
        names = zoo.names()
        row = {**component_row(zoo), "contract": f"a zoo of {len(names)} names"}
        described.append({**row, "names": names, "example": zoo.example})
    return described


def _described(component: Component, registry: Registry) -> dict[str, Any]:
    from ...catalog.kinds import KINDS
    from ..tables import as_yaml

    spec = component.spec()
    lines = example_lines(component, registry)
    return {
        **component_row(component),
        "summary": spec.summary,
        "doc": spec.doc,
        "contract": KINDS[component.kind].contract,
        "parameters": list(_parameters(component.kind, spec)),
        "details": dict(spec.details() if spec.details else {}),
        "example": "\n".join(f"{section}: {as_yaml(value)}" for section, value in lines.items()),
    }


def _parameters(kind: str, spec: ComponentSpec) -> Iterator[dict[str, Any]]:
    from ...catalog.introspect import Unread
    from ...catalog.kinds import KINDS
    from ...catalog.spec import REQUIRED
    from ...recipe.grammar import SETTINGS
    from ...recipe.interval import Interval
    from ...recipe.types import describe_type, uses

    common = SETTINGS.get(kind, ())
    grouped = [(_BESIDE if kind == "trainers" and uses(each.type) else _OWN, each) for each in spec.parameters]
    shared = _COMMON.format(KINDS[kind].singular)
    for group, parameter in [*sorted(grouped, key=lambda pair: pair[0]), *((shared, each) for each in common)]:
        default = None if parameter.default is REQUIRED else parameter.default
        yield {
            "name": parameter.name,
            "group": group,
            "type": describe_type(parameter.type),
            "required": parameter.required,
            "from_data": parameter.supplied,
            "default": str(default) if isinstance(default, (Unread, Interval)) else default,
            "doc": parameter.doc,
        }


# --- an example for a recipe --------------------------------------------------------------------


def example_lines(component: Component, registry: Registry) -> dict[str, Any]:
    """The smallest sections of a recipe that use a component, its required arguments filled in; they pass ``check``.

    Raises:
        PluginError: the component is broken.
    """
    from ...catalog.kinds import KINDS
    from ...recipe.types import uses

    kind, entry = component.kind, _entry(component, registry)
    if kind == "augmentations":
        return {"augment": {"train": [entry]}}
    nested = [p.name for p in component.spec().parameters if kind == "trainers" and uses(p.type) and p.name in entry]
    sections = {name: entry.pop(name) for name in nested}  # beside trainer:, not in it
    return {_SECTIONS.get(kind, KINDS[kind].singular): [entry] if kind in _LISTED else entry, **sections}


def _entry(component: Component, registry: Registry) -> dict[str, Any]:
    required = [parameter for parameter in component.spec().parameters if parameter.required]
    return {"use": component.name, **{each.name: _value(each, registry, component.name) for each in required}}


def _value(parameter: Parameter, registry: Registry, owner: str) -> Any:
    """A value of the parameter's type; ``...`` where none of those tried here fits.

    For a component it is one whose summary names the ``owner`` of the parameter, else the first one.
    """
    from ...errors import InputError
    from ...recipe.planner import plan_value
    from ...recipe.types import type_of
    from ...recipe.yaml import as_node

    wanted = type_of(parameter.type)
    tried: list[Any] = list(_VALUES)
    if choice := wanted.find("choice"):
        tried = [*choice.choices, *tried]
    if nested := wanted.find("component"):
        offered = [each for each in registry.components(nested.of) if each.is_zoo or not _wraps(each, nested.of)]
        chosen = min(offered, key=lambda each: (owner not in each.summary, each.is_zoo))
        chosen = chosen.named(chosen.example) if chosen.is_zoo else chosen
        entry = _entry(chosen, registry)
        use = entry if len(entry) > 1 else chosen.name
        tried = [use, [use], *tried]
    for value in tried:
        with contextlib.suppress(InputError):
            plan_value(as_node(value), wanted, "", registry)
            return value
    return "..."


def _wraps(component: Component, kind: str) -> bool:
    """Whether a component needs another one of a kind, as an adapter of a backbone does."""
    from ...recipe.types import type_of

    needed = (type_of(each.type).find("component") for each in component.spec().parameters if each.required)
    return any(each is not None and each.of == kind for each in needed)


# --- for readers ------------------------------------------------------------------------------


def _print_descriptions(found: Sequence[Mapping[str, Any]]) -> None:
    from ..tables import Console, Text

    console = Console()
    for index, entry in enumerate(found):
        if index:
            console.rule(style="dim")
        origin = f"{entry['kind']}, {entry['distribution']} {entry['version']}, {entry['target']}"
        console.print(Text.assemble((entry["name"], "bold"), "  ", (origin, "dim")))
        if "names" in entry:
            names = ", ".join(entry["names"][:8])
            console.print(Text(f"{entry['summary'].rstrip('.')}: {entry['contract']}, such as {names}"))
            facts = {"arguments": f"hw1cli describe {entry['example']}"}
            facts["all names"] = f"hw1cli list {entry['kind']} '{entry['name']}'"
        else:
            console.print(Text(_flowed(entry["doc"].partition("Args:")[0].rstrip())))
            _print_parameters(console, entry["parameters"])
            facts = {**entry["details"], f"contract of {entry['kind']}": entry["contract"]}
            facts["in a recipe"] = entry["example"]
        for name, value in facts.items():
            line = "\n  " if "\n" in str(value) else " "
            console.print(Text.assemble((f"{name}:", "dim"), line, str(value).replace("\n", "\n  ")))


def _flowed(doc: str) -> str:
    """A docstring whose paragraphs fill the terminal's lines; lists and indented parts stay as they are."""
    paragraphs = doc.split("\n\n")
    plain = [not any(line.startswith((" ", "-", "*")) for line in each.splitlines()) for each in paragraphs]
    return "\n\n".join(" ".join(each.splitlines()) if p else each for each, p in zip(paragraphs, plain, strict=True))


def _print_parameters(console: Console, parameters: Sequence[Mapping[str, Any]]) -> None:
    """A table for each group, under its name where there are several."""
    from ..tables import Text, as_yaml, table_of

    groups = dict.fromkeys(each["group"] for each in parameters)
    for group in groups:
        table = table_of("section" if group == _BESIDE else "argument", "type", "default")
        table.add_column("", ratio=1, overflow="fold")
        for each in parameters:
            default = Text(as_yaml(each["default"]))
            if each["from_data"] or each["required"]:
                default = Text("from the run", "dim") if each["from_data"] else Text("required", "yellow")
            if each["group"] == group:
                table.add_row(Text(each["name"], style="bold"), Text(each["type"]), default, Text(each["doc"]))
        if len(groups) > 1:
            console.print(group, style="bold")
        console.print(table)
