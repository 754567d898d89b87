"""A hook of mkdocs: the pages in reference/, written at each build from the registry and the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import click

from registry.catalog.components import Component
from registry.catalog.kinds import FACTS, KINDS, Kind
from registry.catalog.registry import Registry
from registry.catalog.spec import ComponentSpec, Parameter
from registry.cli.tables import as_yaml
from registry.recipe.grammar import SECTIONS, DataSettings, LoopSettings, RuntimeSettings, SplitSettings, SweepSettings
from registry.recipe.types import describe_type

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

#: Zoos of more names are not listed; those of no more than the second number are described name by name.
_SHOWN: Final = 400
_DESCRIBED: Final = 30
#: Columns of the commands' help.
_WIDTH: Final = 92


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages to those that were found."""
    from mkdocs.structure.files import File

    for name, text in pages():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links to code, which serve in the repository, as plain text: the site does not hold the code."""
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+[\w/]+\.py\)", r"\1", markdown)


def pages() -> Iterator[tuple[str, str]]:
    """Name and Markdown of every page."""
    registry = Registry([entry for entry in metadata.distribution("hw1cli").entry_points if _is_component(entry)])
    yield "index", _index(registry)
    yield "commands", _commands()
    yield "settings", _settings()
    for kind in KINDS.values():
        yield kind.name, _of_kind(kind, registry.components(kind.name))


def _is_component(entry: metadata.EntryPoint) -> bool:
    return entry.group in {kind.group for kind in KINDS.values()}


def _index(registry: Registry) -> str:
    lines = [
        "# Reference",
        "",
        "Written from the installed package when this site was built: what hw1cli itself brings. `hw1cli list` and",
        "`hw1cli describe NAME` show the same for your installation, other plugins included.",
        "",
        "| kind | offered |",
        "|---|---|",
    ]
    for kind in KINDS.values():
        names = ", ".join(f"`{component.name}`" for component in registry.components(kind.name))
        lines.append(f"| [{kind.name}]({kind.name}.md) | {names} |")
    lines += ["", "[Commands](commands.md) · [Settings and sections](settings.md)", ""]
    return "\n".join(lines)


def _of_kind(kind: Kind, components: Iterable[Component]) -> str:
    lines = [f"# {kind.name.capitalize()}", "", f"Contract: {_text(kind.contract)}", ""]
    for component in components:
        lines += [f"## `{component.name}`", ""]
        lines += _zoo(component) if component.is_zoo else _component(component.spec())
    return "\n".join(lines)


def _component(spec: ComponentSpec) -> list[str]:
    doc = re.split(r"^(?:Args|Raises|Returns):\s*$", spec.doc, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return [_text(doc), "", *_parameters(spec), ""]


def _zoo(zoo: Component) -> list[str]:
    names = zoo.names()
    prefix = zoo.name.removesuffix("*")
    lines = [f"{_text(zoo.summary.rstrip('.'))}: {len(names)} names.", ""]
    lines += ["```bash", f"hw1cli list {zoo.kind} '{zoo.name}'", "```", ""]
    specs = [zoo.named(name).spec() for name in (names[0], names[len(names) // 2], names[-1])]
    alike = len({repr(spec.parameters) for spec in specs}) == 1
    if not alike and len(names) <= _DESCRIBED:
        for name in names:
            lines += [f"### `{name}`", "", *_component(zoo.named(name).spec())]
        return lines
    if len(names) <= _SHOWN:
        lines += [", ".join(f"`{name.removeprefix(prefix)}`" for name in names), ""]
    if alike:
        return [*lines, "All of them take the same:", "", *_parameters(specs[0]), ""]
    example = f"hw1cli describe {zoo.example}"
    return [*lines, "Each takes arguments of its own, which `describe` shows:", "", "```bash", example, "```", ""]


def _parameters(spec: ComponentSpec) -> list[str]:
    if not spec.parameters:
        return ["No arguments."]
    lines = ["| argument | type | default | |", "|---|---|---|---|"]
    for each in spec.parameters:
        kind = _cell(describe_type(each.type))
        lines.append(f"| `{each.name}` | {kind} | {_default(each)} | {_cell(each.doc)} |")
    return lines


def _default(parameter: Parameter) -> str:
    if parameter.supplied:
        return "*from the run*"
    if parameter.required:
        return "**required**"
    return f"`{as_yaml(parameter.default)}`" if parameter.default != "" else '`""`'


def _settings() -> str:
    lines = ["# Settings", "", "## Sections of a recipe", "", "| section | |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(section.doc)} |" for name, section in SECTIONS.items()]
    lines += ["", "A trainer's signature adds its own, such as `model` and `loss`: see [trainers](trainers.md).", ""]
    settings: tuple[tuple[str, Any], ...] = (
        ("`trainer:`, whatever the trainer", LoopSettings),
        ("`data:`, whatever the data set", DataSettings),
        ("`runtime:`", RuntimeSettings),
        ("`split:`", SplitSettings),
        ("`sweep:`", SweepSettings),
    )
    for title, each in settings:
        lines += [f"## {title}", "", *_parameters(ComponentSpec.of(each)), ""]
    lines += ["## What a run supplies", "", "To parameters marked `FromData`:", "", "| fact | |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(doc)} |" for name, doc in FACTS.items()]
    return "\n".join([*lines, ""])


def _commands() -> str:
    from hw1cli import main

    lines = ["# Commands", ""]
    for context in _walk(click.Context(main, info_name="hw1cli", terminal_width=_WIDTH, **main.context_settings)):
        lines += [f"## `{context.command_path}`", "", "```text", context.get_help(), "```", ""]
    return "\n".join(lines)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name, command in sorted(context.command.commands.items()):
            yield from _walk(click.Context(command, parent=context, info_name=name))


def _text(text: str) -> str:
    """Plain prose as Markdown: what a docstring says literally shall not become emphasis or a tag; code stays code."""
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(part if part.startswith("`") else _literal(part) for part in parts)


def _literal(text: str) -> str:
    text = re.sub(r"\*\*(\S(?:.*?\S)?)\*\*", r"\1", text)  # a library's own emphasis
    return re.sub(r"([*_\[\]])", r"\\\1", text).replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|")
