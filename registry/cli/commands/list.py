"""``list``: what the installed plugins offer."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import completion
from ..options import JSON, print_json

if TYPE_CHECKING:
    from ...catalog.components import Component


@click.command("list")
@click.argument("kind", required=False, shell_complete=completion.kinds_or_names)
@click.argument("pattern", required=False, shell_complete=completion.component_names)
@click.option("--verify", is_flag=True, help="Load every spec too, and show what is broken.")
@JSON
def list_(kind: str | None, pattern: str | None, verify: bool, as_json: bool) -> None:
    """List components: all, those of one KIND, or those whose name matches PATTERN.

    \b
    Examples:
      hw1cli list
      hw1cli list losses
      hw1cli list backbones 'timm/*v2*'
      hw1cli list --verify
    """
    rows = list_components(kind, pattern, verify=verify)
    print_json(rows) if as_json else _print_list(rows, verify=verify)


def list_components(kind: str | None, pattern: str | None, *, verify: bool) -> list[dict[str, Any]]:
    """Rows of ``kind, name, distribution, version, target, summary, broken``.

    Args:
        kind: a kind in the singular or plural; None for all. A word that is not a kind is taken as the pattern.
        pattern: shell pattern or part of a name.
        verify: load each component's spec; ``broken`` then holds the reason or None. What is installed for another
            version of the plugin API is listed too, and not loaded.
    """
    from ...catalog.kinds import KINDS, kind_named, require_kind
    from ...catalog.registry import Registry
    from ...errors import did_you_mean

    if kind is not None and pattern is None and kind_named(kind) is None and not did_you_mean(kind, KINDS):
        kind, pattern = None, kind
    registry, wanted = Registry(), require_kind(kind).name if kind else None
    rows = [
        component_row(component, component.fault() if verify else None)
        for component in registry.matching(wanted, pattern)
    ]
    wild = "*" if not pattern else pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return rows + [
        component_row(component, f"not offered: it {refusal.reason}; {refusal.hint}")
        for component, refusal in (registry.refused(wanted) if verify else ())
        if not refusal.blocked and fnmatch.fnmatchcase(component.name, wild)
    ]


def component_row(component: Component, fault: str | None = None) -> dict[str, Any]:
    """What ``list`` shows of a component; ``fault`` is why it is broken."""
    keys = ("kind", "name", "distribution", "version", "target", "summary")
    return {**{key: getattr(component, key) for key in keys}, "broken": fault}


def _print_list(rows: Sequence[Mapping[str, Any]], *, verify: bool) -> None:
    """One row a component, grouped by kind; the names of a single zoo in columns."""
    from ..tables import Columns, Console, Text, plural, table_of

    console = Console()
    if not rows:
        console.print("nothing matches; 'hw1cli list' shows everything")
        return
    if len({(row["kind"], row["target"]) for row in rows}) == 1 and len(rows) > 1 and not verify:
        zoo = rows[0]  # the names are all that differs
        console.print(Text(f"{zoo['kind']} of {zoo['distribution']} {zoo['version']}: {zoo['summary']}"))
        console.print(Columns([Text(row["name"], style="bold") for row in rows], column_first=True, padding=(0, 3)))
        console.print(f"{len(rows)} names; 'hw1cli describe NAME' shows the arguments of one")
        return
    owners = {f"{row['distribution']} {row['version']}" for row in rows}
    table = table_of("kind", "name", *(["offered by"] if len(owners) > 1 else []), "summary")
    table.columns[0].style, table.columns[1].style, table.columns[1].no_wrap = "dim", "bold", True
    kind = ""
    for row in rows:
        summary = Text(f"broken: {row['broken']}", style="red") if row["broken"] else Text(row["summary"])
        shown, kind = ("" if row["kind"] == kind else row["kind"]), row["kind"]
        owner = [Text(f"{row['distribution']} {row['version']}", style="dim")] if len(owners) > 1 else []
        table.add_row(shown, Text(row["name"]), *owner, summary)
    console.print(table)
    broken = f", {sum(bool(row['broken']) for row in rows)} broken" if verify else ""
    console.print(plural(len(rows), "component") + (f" of {owners.pop()}" if len(owners) == 1 else "") + broken)
    if any(row["name"].endswith("/*") for row in rows):
        console.print("[dim]NAME/* is a zoo: hw1cli list KIND 'NAME/*' lists its components[/]")
