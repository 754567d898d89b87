"""``plugin list``: the installed distributions with components, what each adds, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from ..catalog.components import Component
from ..catalog.kinds import KINDS
from ..catalog.policy import OWN, normalized
from ..catalog.provenance import origin_of
from ..catalog.registry import Registry


def list_plugins(*, load: bool = True) -> list[dict[str, Any]]:
    """Rows of ``distribution, version, api, origin, state, reason, hint, components, broken``; hw1cli's own is first.

    Args:
        load: whether to load every spec, which finds the ``broken`` ones. What is not offered is never loaded.

    ``state`` is offered, blocked (by the user's environment) or incompatible (another plugin API); ``components`` maps
    a kind to names, and ``broken`` maps ``kind/name`` to the reason.
    """
    registry = Registry()
    refused = registry.refused()
    by_owner: dict[str, list[Component]] = {}
    for component in [*registry.components(), *(component for component, _ in refused)]:
        by_owner.setdefault(component.distribution, []).append(component)
    order = sorted(by_owner, key=lambda name: (normalized(name) != OWN, name.lower()))
    return [_row(registry, name, by_owner[name], load) for name in order]


def _row(registry: Registry, name: str, components: list[Component], load: bool) -> dict[str, Any]:
    refusal = registry.refusals.get(name)
    faults = {f"{c.kind}/{c.name}": c.fault() for c in components} if load and refusal is None else {}
    return {
        "distribution": name,
        "version": components[0].version,
        "api": registry.declared.get(name, []),
        "origin": origin_of(name),
        "state": "offered" if refusal is None else "blocked" if refusal.blocked else "incompatible",
        "reason": refusal.reason if refusal else None,
        "hint": refusal.hint if refusal else None,
        "components": {kind: names for kind in KINDS if (names := [c.name for c in components if c.kind == kind])},
        "broken": {subject: reason for subject, reason in faults.items() if reason},
    }


def plugin_tables(rows: list[dict[str, Any]]) -> None:
    """For a reader: a block for each distribution."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for row in rows:
        editable = ", editable" if (row["origin"] or {}).get("editable") else ""
        api = f", API {' or '.join(row['api'])}" if row["api"] else ""
        color = {"offered": "bold", "blocked": "yellow", "incompatible": "red"}[row["state"]]
        console.print(f"[{color}]{escape(row['distribution'])} {escape(row['version'])}[/][dim]{api}{editable}[/]")
        if row["reason"]:
            console.print(
                f"  [{color}]not offered: it {escape(row['reason'])}[/]\n  [dim]hint: {escape(row['hint'])}[/]"
            )
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="dim", min_width=16)
        table.add_column(overflow="fold")
        for kind, names in row["components"].items():
            table.add_row(f"{len(names)} {KINDS[kind].singular if len(names) == 1 else kind}", Text(", ".join(names)))
        console.print(table)
        for subject, reason in row["broken"].items():
            console.print(f"  [red]broken: {escape(subject)}: {escape(reason)}[/]", highlight=False)
    broken = sum(len(row["broken"]) for row in rows)
    held = sum(row["state"] != "offered" for row in rows)
    console.print(f"[dim]{len(rows)} distributions, {held} not offered, {broken} broken components[/]")
