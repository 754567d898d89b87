"""``schema`` and ``completion``: what an editor, and what a shell, knows of recipes and components."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .options import DEBUG

#: Set by the script in the shell when it asks for completions.
_ASKED = "_HW1CLI_COMPLETE"
if _ASKED in os.environ:
    from .shells import register

    register()


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="The file to write (default: printed).")
@click.option("--zoos", is_flag=True, help="List the names of large zoos too, so that editors complete timm/....")
@click.option(
    "--of", "distributions", multiple=True, metavar="DISTRIBUTION", help="Only what this installed package offers."
)
@DEBUG
def schema(out: Path | None, zoos: bool, distributions: tuple[str, ...]) -> None:
    """Write the JSON schema of recipes, for editors: sections, components, arguments, their types, ranges and docs.

    It is made from the installed plugins; make it again after installing others. An editor with the YAML language
    server (VS Code with the YAML extension, Neovim, Emacs, ...) uses it for files that begin with the line

    \b
      # yaml-language-server: $schema=schema.json

    where the path is relative to the file.

    \b
    Examples:
      hw1cli schema --out recipes/schema.json
      hw1cli schema --zoos --out schema.json
      hw1cli schema --of hw1cli --out recipes/schema.json
    """
    from .schema_verb import schema_text, write_schema

    if out is None:
        text, broken = schema_text(zoos=zoos, distributions=distributions)
        click.echo(text, nl=False)
    else:
        broken = write_schema(out, zoos=zoos, distributions=distributions)
        click.echo(f"{out}: {out.stat().st_size / 1000:,.0f} kB", err=True)
    for reason in broken:
        click.secho(f"left out: {reason}", fg="yellow", err=True)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes hw1cli's commands, recipes, keys and components in SHELL.

    To have it in every new shell:

    \b
      bash:  echo 'eval "$(hw1cli completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(hw1cli completion zsh)"' >> ~/.zshrc      (after its line with compinit)
      fish:  hw1cli completion fish > ~/.config/fish/completions/hw1cli.fish

    Then, with the tab key: hw1cli run my.yaml --set model.backbone=timm/conv... It is the installed command hw1cli that
    is completed; 'python hw1cli.py' cannot be.
    """
    from .shells import SHELLS

    click.echo(SHELLS[shell](ctx.find_root().command, {}, "hw1cli", _ASKED).source(), nl=False)
