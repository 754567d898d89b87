"""``recipes``: those that come with hw1cli."""

from __future__ import annotations

from pathlib import Path

import click

from ...recipe import shipped
from ..options import FORCE, JSON, PATH, print_json, refuse_to_overwrite


@click.group()
def recipes() -> None:
    """List, show and copy the recipes that come with hw1cli; 'run NAME' runs one.

    \b
    Examples:
      hw1cli recipes ls
      hw1cli recipes cp seg_deeplab_focal mine.yaml
      hw1cli run seg_deeplab_focal --demo
    """


@recipes.command()
@JSON
def ls(as_json: bool) -> None:
    """List the shipped recipes with their descriptions."""
    from ...recipe.load import load

    found = {name: load(path).root.get("description") for name, path in shipped.shipped().items()}
    rows = {name: str(node.value) if node is not None else "" for name, node in found.items()}
    if as_json:
        print_json(rows)
        return
    width = max(map(len, rows), default=0)
    for name, description in rows.items():
        click.echo(f"{name:{width}}  {description}")


@recipes.command()
@click.argument("name")
def cat(name: str) -> None:
    """Print the shipped recipe NAME."""
    click.echo(shipped.find(name).read_text(encoding="utf-8"), nl=False)


@recipes.command()
@click.argument("name")
@click.argument("file", type=PATH)
@FORCE
def cp(name: str, file: Path, force: bool) -> None:
    """Copy the shipped recipe NAME to FILE, to be changed; recipes that it extends are copied beside it."""
    from ...files import write_text
    from ...recipe.yaml import parse

    source, target = shipped.find(name), file / f"{name}.yaml" if file.is_dir() else file
    copies, queue = {source: target}, [source]
    while queue:
        root, _ = parse(queue.pop().read_text(encoding="utf-8"), None)
        for base in _bases(root.plain() if root is not None else None):
            path = source.parent / base
            if path not in copies and path.is_file():
                copies[path] = target.parent / base
                queue.append(path)
    for each in copies.values():
        refuse_to_overwrite(each, force)
    for path, each in copies.items():
        write_text(each, path.read_text(encoding="utf-8"))
        click.echo(f"written: {each}", err=True)


def _bases(value: object) -> list[str]:
    """The recipes that a recipe, or a run in it, extends."""
    if isinstance(value, list):
        return [name for item in value for name in _bases(item)]
    if not isinstance(value, dict):
        return []
    named = value.get("extends") or []
    own = [named] if isinstance(named, str) else [name for name in named if isinstance(name, str)]
    return own + [name for key, item in value.items() if key != "extends" for name in _bases(item)]
