"""``plugin new``, ``plugin check`` and ``plugin list``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..errors import DONE, PLUGIN_FAILED
from .options import DEBUG, JSON


@click.group()
def plugin() -> None:
    """Write plugins, check them, and see which are installed."""


@plugin.command("new")
@click.argument("name")
@click.option("--kind", default="backbone", show_default=True, help="What it offers: backbone, model, loss, ...")
@click.option("--from-file", "source", metavar="FILE:CLASS", help="A torch class of yours to wrap: net.py:MyNet.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write (default: ./NAME).")
@JSON
@DEBUG
def plugin_new(name: str, kind: str, source: str | None, out: Path | None, as_json: bool) -> None:
    """Write a plugin NAME that works as it stands: package, documentation, test, recipe.

    Without --from-file it holds a small component of its kind, to be changed. With it, your class: its file is read,
    not run, and copied into the package; the constructor's arguments become those of recipes. As a backbone any
    convolutional network will do, a classifier too: its maps are taken from inside where forward does not give them.

    \b
    Examples:
      hw1cli plugin new my-net
      hw1cli plugin new my-loss --kind loss --out plugins/my-loss
      hw1cli plugin new my-net --from-file net.py:MyNet
      hw1cli plugin new my-cnn --from-file net.py:MyCNN --kind model
    """
    from ..scaffold.new import new_plugin

    told = new_plugin(name, kind, source=source, out=out)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    folder = told["folder"]
    click.secho(f"{folder}: the {kind} {told['component']!r} in {len(told['files'])} files", fg="green")
    for file in told["files"]:
        click.echo(f"  {file}")
    for note in told["notes"]:
        click.echo(f"note: {note}")
    click.echo("next:")
    click.echo(f"  pip install -e {folder}        (without a network: --no-deps --no-build-isolation)")
    click.echo(f"  hw1cli plugin check {told['distribution']} --run")
    click.echo(f"  hw1cli run {folder}/recipes/{told['component']}.yaml")


@plugin.command("check")
@click.argument("distribution", metavar="DIST")
@click.option("--run", is_flag=True, help="Build every component too, and try it on the CPU.")
@click.option("--only", default="*", metavar="PATTERN", help="Only components of these names; also names of a zoo.")
@JSON
@DEBUG
def plugin_check(distribution: str, run: bool, only: str, as_json: bool) -> None:
    """Check whether the installed distribution DIST keeps the contracts of plugins.

    What is wrong is told with its reason and with what to write instead. The same checks are an author's test suite in
    one line: see registry.testing. Exit code 3 where something is wrong.

    \b
    Examples:
      hw1cli plugin check my-net
      hw1cli plugin check my-net --run
      hw1cli plugin check my-zoo --run --only 'mine/small*' --json
    """
    from .plugin_check_verb import check_plugin

    findings = []
    for finding in check_plugin(distribution, run=run, only=only):
        findings.append(finding)
        if as_json:
            continue
        sign, color = {"passed": ("ok", "green"), "failed": ("WRONG", "red"), "skipped": ("--", "yellow")}[
            finding.outcome
        ]
        reason = f"  ({finding.what})" if finding.what and finding.outcome != "failed" else ""
        click.echo(f"{click.style(f'{sign:>5}', fg=color)}  {finding.subject}: {finding.check}{reason}")
        if finding.outcome == "failed":
            click.echo(f"       {finding.what}")
            click.echo(f"       why it matters: {finding.why}")
            click.echo(f"       instead: {finding.instead}")
    failed = sum(finding.outcome == "failed" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [finding.as_json() for finding in findings]}, indent=2))
    else:
        tried = "" if run else "; --run tries the components too"
        passed, skipped = (sum(finding.outcome == outcome for finding in findings) for outcome in ("passed", "skipped"))
        counts = f"{passed} passed, {skipped} skipped, {failed} failed"
        click.secho(f"{len(findings)} checks: {counts}{tried}", fg="red" if failed else "green")
    sys.exit(PLUGIN_FAILED if failed else DONE)


@plugin.command("list")
@click.option("--no-load", is_flag=True, help="Read metadata alone; what is broken stays unknown.")
@JSON
@DEBUG
def plugin_list(no_load: bool, as_json: bool) -> None:
    """List the installed distributions that offer components: what each adds, what is broken, what is not offered.

    HW1CLI_PLUGINS=off leaves only hw1cli's own. HW1CLI_PLUGINS_ALLOW and HW1CLI_PLUGINS_DENY hold patterns of
    distributions' names, with commas between them.

    \b
    Examples:
      hw1cli plugin list
      HW1CLI_PLUGINS_DENY='stranger-*' hw1cli plugin list
      hw1cli plugin list --no-load --json
    """
    from .plugin_list_verb import list_plugins, plugin_tables

    rows = list_plugins(load=not no_load)
    click.echo(json.dumps(rows, indent=2)) if as_json else plugin_tables(rows)
