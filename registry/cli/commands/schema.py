"""``schema`` and ``completion``: recipes and components described for an editor, and completed in a shell."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..options import PATH

#: Set by the script in the shell when it fetches completions.
_COMPLETING = "_HW1CLI_COMPLETE"
if _COMPLETING in os.environ:
    from .. import shells  # noqa: F401 - registers them


@click.command()
@click.option("--out", type=PATH, help="The file to write (default: standard output).")
@click.option("--zoos", is_flag=True, help="List the names of large zoos too, so that editors complete timm/....")
@click.option(
    "--of", "distributions", multiple=True, metavar="DISTRIBUTION", help="Only what this installed package offers."
)
def schema(out: Path | None, zoos: bool, distributions: tuple[str, ...]) -> None:
    """Write the JSON schema of recipes, for editors.

    It holds the sections, components and arguments, with their types, ranges and docs, of the installed plugins: write
    it again after installing others. An editor with the YAML language server (VS Code with the YAML extension, Neovim,
    Emacs, ...) uses it for files that begin with the line

    \b
      # yaml-language-server: $schema=schema.json

    where the path is relative to the file.

    \b
    Examples:
      hw1cli schema --out recipes/schema.json
      hw1cli schema --zoos --out schema.json
      hw1cli schema --of hw1cli --out recipes/schema.json
    """
    from ... import files
    from ...errors import InputError

    if out is not None and out.is_dir():
        raise InputError.of("--out", f"{str(out)!r} is a directory", f"name a file in it: {out / 'schema.json'}")
    text, broken = schema_text(zoos=zoos, distributions=distributions)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(out, text)
        click.echo(f"{out}: {out.stat().st_size / 1000:,.0f} kB", err=True)
    for reason in broken:
        click.secho(f"left out: {reason}", fg="yellow", err=True)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script for SHELL that completes commands, recipes, keys and components.

    To have it in every new shell:

    \b
      bash:  echo 'eval "$(hw1cli completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(hw1cli completion zsh)"' >> ~/.zshrc      (after its line with compinit)
      fish:  hw1cli completion fish > ~/.config/fish/completions/hw1cli.fish

    Then press the tab key: hw1cli run my.yaml --set model.backbone=timm/conv... Only the installed command hw1cli is
    completed, not 'python hw1cli.py'.
    """
    from click.shell_completion import get_completion_class

    from .. import shells  # noqa: F401 - registers them

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(ctx.find_root().command, {}, "hw1cli", _COMPLETING).source(), nl=False)


def schema_text(*, zoos: bool = False, distributions: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The schema as JSON, a definition a line, and what is broken and therefore not described.

    Args:
        zoos: list every name of the large zoos.
        distributions: only what these offer; all installed ones when empty.

    Raises:
        InputError: a distribution is not installed, or offers no component.
    """
    from ...catalog.registry import Registry
    from ...editor.schema import recipe_schema
    from ...errors import InputError, did_you_mean

    def lines(mapping: Mapping[str, Any], indent: str) -> str:
        text = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
        return ",\n".join(f"{indent}{text(key)}: {text(value)}" for key, value in mapping.items())

    registry = Registry()
    offered = {component.distribution for component in registry.components()}
    for name in distributions:
        if name not in offered:
            hint = did_you_mean(name, offered, f"expected one of {', '.join(sorted(offered))}")
            raise InputError.of("--of", f"no installed distribution {name!r} offers components", hint)
    if distributions:
        registry = Registry(c.entry_point for c in registry.components() if c.distribution in distributions)
    schema, broken = recipe_schema(registry, zoos=zoos)
    definitions = lines(schema.pop("definitions"), "  ")
    return f'{{\n{lines(schema, " ")},\n "definitions": {{\n{definitions}\n }}\n}}\n', broken
