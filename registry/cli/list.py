"""``list`` and ``describe``."""

from __future__ import annotations

import json

import click

from . import completion
from .options import DEBUG, JSON


@click.command("list")
@click.argument("kind", required=False, shell_complete=completion.kinds_or_names)
@click.argument("pattern", required=False, shell_complete=completion.component_names)
@click.option("--verify", is_flag=True, help="Load every spec too, and show what is broken.")
@JSON
@DEBUG
def list_(kind: str | None, pattern: str | None, verify: bool, as_json: bool) -> None:
    """List components: all, of one KIND, or those whose name matches PATTERN.

    \b
    Examples:
      hw1cli list
      hw1cli list losses
      hw1cli list backbones 'timm/*v2*'
      hw1cli list --verify
    """
    from .listing_verb import list_components

    rows = list_components(kind, pattern, verify=verify)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from .tables import component_table

    component_table(rows, verify=verify)


@click.command()
@click.argument("name", shell_complete=completion.component_names)
@click.option("--kind", help="Only the component of this kind.", shell_complete=completion.kinds)
@JSON
@DEBUG
def describe(name: str, kind: str | None, as_json: bool) -> None:
    """Show what a component is, what it takes, and who offers it.

    \b
    Examples:
      hw1cli describe focal
      hw1cli describe smp/deeplabv3
      hw1cli describe timm/resnet50 --kind backbone
    """
    from .listing_verb import describe as described

    found = described(name, kind)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    from .tables import description

    description(found)
