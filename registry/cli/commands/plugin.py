"""``plugin new``, ``plugin check`` and ``plugin list``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import DONE, PLUGIN_FAILED, raised_at
from ..errors import CommandGroup
from ..options import JSON, PATH, print_json

if TYPE_CHECKING:
    from ...catalog.components import Component
    from ...contracts.violations import Check


@click.group(cls=CommandGroup)
def plugin() -> None:
    """Write plugins, check them, and list those that are installed."""


@plugin.command("new")
@click.argument("name")
@click.option("--kind", default="backbone", help="What it offers: backbone, model, loss, ...")
@click.option("--from-file", "source", metavar="FILE:CLASS", help="A torch class of yours to wrap: net.py:MyNet.")
@click.option("--out", type=PATH, help="The folder to write (default: ./NAME).")
@JSON
def plugin_new(name: str, kind: str, source: str | None, out: Path | None, as_json: bool) -> None:
    """Write a working plugin NAME: package, documentation, test and recipe.

    Without --from-file it holds a small component of its kind, to be changed. With it, it holds your class: the file is
    read, not run, and copied into the package; the constructor's arguments become those of recipes. Any convolutional
    network can be a backbone, a classifier too: feature maps that forward does not return are taken from inside.

    \b
    Examples:
      hw1cli plugin new my-net
      hw1cli plugin new my-loss --kind loss --out plugins/my-loss
      hw1cli plugin new my-net --from-file net.py:MyNet
      hw1cli plugin new my-cnn --from-file net.py:MyCNN --kind model
    """
    from ...scaffold.new import new_plugin

    written = new_plugin(name, kind, source=source, out=out)
    if as_json:
        print_json(written)
        return
    folder, component = written["folder"], written["component"]
    click.secho(f"{folder}: {kind} {component!r} in {len(written['files'])} files", fg="green")
    lines = [f"  {file}" for file in written["files"]] + [f"note: {note}" for note in written["notes"]]
    lines += ["next:", f"  pip install -e {folder}        (offline: --no-deps --no-build-isolation)"]
    lines += [
        f"  hw1cli plugin check {written['distribution']} --run",
        f"  hw1cli run {folder}/recipes/{component}.yaml",
    ]
    click.echo("\n".join(lines))


@plugin.command("check")
@click.argument("distribution", metavar="DIST")
@click.option("--run", is_flag=True, help="Also build every component and try it on the CPU.")
@click.option("--only", default="*", metavar="PATTERN", help="Check only these components; names of a zoo, too.")
@JSON
def plugin_check(distribution: str, run: bool, only: str, as_json: bool) -> None:
    """Check whether the installed distribution DIST keeps the contracts of plugins.

    A failed check shows what is wrong, why it matters and what to write instead. The same checks are an author's test
    suite in one line: see registry.testing. The exit code is 3 where a check failed.

    \b
    Examples:
      hw1cli plugin check my-net
      hw1cli plugin check my-net --run
      hw1cli plugin check my-zoo --run --only 'mine/small*' --json
    """
    from ...contracts.runner import checks, require

    findings = []
    for each in checks(require(distribution).name, run=run, only=only):
        findings.append(finding := _outcome(each))
        if not as_json:
            _print_finding(finding)
    outcomes = [finding["outcome"] for finding in findings]
    counts = {outcome: outcomes.count(outcome) for outcome in ("passed", "skipped", "failed")}
    if as_json:
        print_json({"ok": not counts["failed"], **counts, "checks": findings})
    else:
        from ..tables import plural

        summary = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        more = "" if run else "; --run tries the components too"
        click.secho(f"{plural(len(findings), 'check')}: {summary}{more}", fg="red" if counts["failed"] else "green")
    sys.exit(PLUGIN_FAILED if counts["failed"] else DONE)


def _outcome(check: Check) -> dict[str, str]:
    """Carry out a check: its ``outcome``, and of a failure ``rule, what, why, instead``.

    ``what`` is the reason of a check that was skipped, and the warnings of one that passed.
    """
    from ...contracts.violations import ContractViolation, Inconclusive

    outcome, rule, why, instead = "passed", "", "", ""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            # Every check builds the component; only the first one reports the warnings of building.
            warnings.simplefilter("always" if check.name == "builds" else "ignore", UserWarning)
            check()
        what = "; ".join(dict.fromkeys(str(each.message) for each in caught))
    except ContractViolation as error:
        outcome, rule, what, why, instead = "failed", error.rule, error.what, error.why, error.instead
    except Inconclusive as reason:
        outcome, what = "skipped", str(reason)
    except Exception as error:  # the checks themselves must survive whatever a plugin does
        outcome, what = "failed", f"{type(error).__name__}: {error} ({raised_at(error)})"
        why, instead = "the check stopped at an exception that it does not expect", "fix what raises it"
    found = {"subject": check.subject, "check": check.name, "outcome": outcome}
    return {**found, "rule": rule, "what": what, "why": why, "instead": instead}


def _print_finding(finding: Mapping[str, str]) -> None:
    marks = {"passed": ("ok", "green"), "failed": ("FAILED", "red"), "skipped": ("skip", "yellow")}
    (mark, color), failed = marks[finding["outcome"]], finding["outcome"] == "failed"
    reason = f"  ({finding['what']})" if finding["what"] and not failed else ""
    click.echo(f"{click.style(f'{mark:>6}', fg=color)}  {finding['subject']}: {finding['check']}{reason}")
    if failed:
        click.echo("        {what}\n        why it matters: {why}\n        instead: {instead}".format(**finding))


@plugin.command("list")
@click.option("--no-load", is_flag=True, help="Read metadata alone; broken components are not found.")
@JSON
def plugin_list(no_load: bool, as_json: bool) -> None:
    """List the installed distributions that offer components: what each adds, what is broken, what is not offered.

    HW1CLI_PLUGINS=off leaves only hw1cli's own. HW1CLI_PLUGINS_ALLOW and HW1CLI_PLUGINS_DENY hold patterns of
    distributions' names, separated by commas.

    \b
    Examples:
      hw1cli plugin list
      HW1CLI_PLUGINS_DENY='stranger-*' hw1cli plugin list
      hw1cli plugin list --no-load --json
    """
    rows = list_plugins(load=not no_load)
    print_json(rows) if as_json else _print_plugins(rows)


def list_plugins(*, load: bool = True) -> list[dict[str, Any]]:
    """Rows of ``distribution, version, api, origin, state, reason, hint, components, broken``; hw1cli's own is first.

    ``state`` is offered, blocked (by the user's environment) or incompatible (another plugin API); ``components`` maps
    a kind to names, and ``broken`` maps ``kind/name`` to the reason.

    Args:
        load: whether to load every spec, which finds the ``broken`` ones. What is not offered is never loaded.
    """
    from ...catalog.kinds import KINDS
    from ...catalog.policy import OWN, normalized
    from ...catalog.provenance import origin_of
    from ...catalog.registry import Registry

    registry = Registry()
    by_owner: dict[str, list[Component]] = {}
    for component in [*registry.components(), *(component for component, _ in registry.refused())]:
        by_owner.setdefault(component.distribution, []).append(component)
    rows = []
    for name in sorted(by_owner, key=lambda name: (normalized(name) != OWN, name.lower())):
        components, refusal = by_owner[name], registry.refusals.get(name)
        faults = {f"{c.kind}/{c.name}": c.fault() for c in components} if load and refusal is None else {}
        row = {
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
        rows.append(row)
    return rows


def _print_plugins(rows: list[dict[str, Any]]) -> None:
    """A block for each distribution."""
    from ...catalog.kinds import KINDS
    from ..tables import Console, Table, Text, plural

    console = Console()
    for row in rows:
        about = f", API {' or '.join(row['api'])}" if row["api"] else ""
        about += ", editable" if (row["origin"] or {}).get("editable") else ""
        color = {"offered": "bold", "blocked": "yellow", "incompatible": "red"}[row["state"]]
        console.print(Text.assemble((f"{row['distribution']} {row['version']}", color), (about, "dim")))
        if row["reason"]:
            console.print(Text(f"  not offered: it {row['reason']}", style=color))
            console.print(Text(f"  hint: {row['hint']}", style="dim"))
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="dim", min_width=16)
        table.add_column(overflow="fold")
        for kind, names in row["components"].items():
            table.add_row(plural(len(names), KINDS[kind].singular, kind), Text(", ".join(names)))
        console.print(table)
        for subject, reason in row["broken"].items():
            console.print(Text(f"  broken: {subject}: {reason}", style="red"))
    refused = sum(row["state"] != "offered" for row in rows)
    broken = plural(sum(len(row["broken"]) for row in rows), "broken component")
    console.print(Text(f"{plural(len(rows), 'distribution')}, {refused} not offered, {broken}", style="dim"))
