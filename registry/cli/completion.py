"""What may follow on the command line: recipes, kinds, names, keys of a recipe and their values, run folders.

Every function is click's ``shell_complete`` of a parameter: (context, parameter, what is typed so far) -> completions.
They answer from metadata and caches, and are silent where something is wrong: that is for the command itself to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..recipe.keys import Location

    Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

#: What is found in a run's folder, and how deep below ``runs`` a run lies at most: RECIPE/study/RUN.
_RUN_FILE, _DEEPEST = "plan.json", 3
_RECIPE_SUFFIXES = (".yaml", ".yml")
_ASSIGNMENT = re.compile(r"(?P<key>[^=]*?)(?P<sign>[+-]?)=(?P<value>.*)", re.DOTALL)


def _quietly(found: Callable[..., Iterable[tuple[str, str]]]) -> Completion:
    """(value, doc) pairs as completions; none where something cannot be read. A value that goes on is ``open``."""

    @wraps(found)
    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        try:
            pairs = dict(found(ctx, parameter, incomplete))
        except Exception:  # a completion that fails must not write into the line that is being typed
            return []
        return [
            CompletionItem(value, type="open" if value[-1:] in ("=", ".", "/") else "plain", help=doc or None)
            for value, doc in pairs.items()
        ]

    return complete


@_quietly
def recipe_files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterator[tuple[str, str]]:
    """Recipe files and folders; before anything is typed, those in recipes/ too."""
    folder, _, start = incomplete.rpartition("/")
    shown = f"{folder}/" if "/" in incomplete else ""
    for entry in _entries(Path(shown or ".").expanduser(), start):
        if entry.is_dir():
            yield f"{shown}{entry.name}/", ""
        elif entry.name.endswith(_RECIPE_SUFFIXES):
            yield shown + entry.name, _description(Path(entry.path))
    if not incomplete:
        for entry in _entries(Path("recipes"), ""):
            if entry.name.endswith(_RECIPE_SUFFIXES):
                yield f"recipes/{entry.name}", _description(Path(entry.path))


@_quietly
def run_folders(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterator[tuple[str, str]]:
    """Folders of runs below runs/, the newest of a recipe last, and other folders by their names."""
    found = [str(folder) for folder in _runs_below(Path("runs"), _DEEPEST) if str(folder).startswith(incomplete)]
    yield from ((folder, "a run") for folder in found)
    folder, _, start = incomplete.rpartition("/")
    shown = f"{folder}/" if "/" in incomplete else ""
    for entry in _entries(Path(shown or ".").expanduser(), start):
        if entry.is_dir() and not any(f"{run}/".startswith(f"{shown}{entry.name}/") for run in found):
            yield f"{shown}{entry.name}/", ""


@_quietly
def kinds_or_names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterator[tuple[str, str]]:
    """Kinds; and every component's name, once something of it is typed."""
    yield from _kinds(incomplete)
    if incomplete:
        yield from _names(None, incomplete)


@_quietly
def kinds(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterable[tuple[str, str]]:
    """The kinds of component."""
    return _kinds(incomplete)


@_quietly
def component_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterable[tuple[str, str]]:
    """The names of components, of the kind on the line where there is one."""
    return _names(_given(ctx).get("kind"), incomplete)


@_quietly
def generator_names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterable[tuple[str, str]]:
    """What makes data on the spot."""
    return _names("generators", incomplete)


@_quietly
def assignments(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterable[tuple[str, str]]:
    """``--set`` of a recipe: its keys, those of the components chosen in it, and their values."""
    return _assignments(_recipe_on_line(ctx), incomplete)


@_quietly
def generator_arguments(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterable[tuple[str, str]]:
    """``--set`` of a generator."""
    from ..catalog.registry import Registry
    from ..recipe.keys import Location
    from ..recipe.types import Type
    from ..recipe.yaml import as_node

    generator = Location(Registry(), Type("component", of="generators"), as_node(_given(ctx).get("name")))
    found = _assignments(generator, incomplete)
    return ((value, doc) for value, doc in found if value != "use=")


@_quietly
def present_keys(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> Iterator[tuple[str, str]]:
    """``--unset``: the keys that the recipe has."""
    node = _recipe_on_line(ctx).node
    *above, start = incomplete.split(".")
    for part in above:
        below = node.value if node is not None else None
        if isinstance(below, dict):
            node = below.get(part)
        elif isinstance(below, list) and part.isdecimal() and int(part) < len(below):
            node = below[int(part)]
        else:
            return
    below = node.value if node is not None else None
    found = dict(below) if isinstance(below, dict) else dict(enumerate(below)) if isinstance(below, list) else {}
    for key, child in found.items():
        path = ".".join([*above, str(key)])
        if str(key).startswith(start):
            yield path, "" if isinstance(child.value, (dict, list)) else str(child.value)
            if isinstance(child.value, (dict, list)):
                yield f"{path}.", ""


def _assignments(root: Location, incomplete: str) -> Iterator[tuple[str, str]]:
    match = _ASSIGNMENT.fullmatch(incomplete)
    if match is None:
        *above, start = incomplete.split(".")
        for key, location in root.at(*above).keys.items():
            path = ".".join([*above, key])
            if not key.startswith(start):
                continue
            yield f"{path}=", location.doc
            if location.type.form == "list":
                yield f"{path}+=", "appends"
            if location.opens and key != "use":
                yield f"{path}.", "its own keys"
        return
    location = root.at(*match["key"].split("."))
    is_list = location.type.form == "list"
    typed = f"{match['key']}{match['sign']}="
    if match["sign"] == "-" and is_list:
        yield from ((typed + name, "removes it") for name in location.present() if name.startswith(match["value"]))
    elif match["sign"] == "+" or not is_list:
        yield from ((typed + value, doc) for value, doc in location.values(match["value"]))


def _given(ctx: click.Context) -> dict[str, Any]:
    """What stands on the line before the word that is being typed.

    click gives a line up that ends in an option without its value, so that it is read again without that option.
    """
    words = ctx.obj if isinstance(ctx.obj, list) else []
    if ctx.info_name not in words or not words[-1].startswith("-"):
        return ctx.params
    own = words[words.index(ctx.info_name) + 1 : -1]
    return ctx.command.make_context(ctx.info_name, own, parent=ctx.parent, resilient_parsing=True).params


def _recipe_on_line(ctx: click.Context) -> Location:
    """The recipe named on the line, with the changes that stand there already."""
    from ..catalog.registry import Registry
    from ..recipe.keys import Location
    from ..recipe.load import load
    from ..recipe.types import Type
    from ..recipe.yaml import parse

    given = _given(ctx)
    path = given.get("recipe")
    if path is None:
        return Location(Registry(), Type("recipe"))
    recipe = load(path, sets=given.get("sets") or (), demo=bool(given.get("demo")))
    root = recipe.root
    if recipe.is_study and isinstance(root.value, dict):  # its runs are taken out when they are read
        whole, _ = parse(Path(path).read_text(encoding="utf-8"), None)
        if whole is not None and "runs" in whole.value:
            root.value["runs"] = whole.value["runs"]
    return Location(Registry(), Type("recipe"), root)


def _kinds(incomplete: str) -> Iterator[tuple[str, str]]:
    from ..catalog.kinds import KINDS

    for kind in KINDS.values():
        if kind.name.startswith(incomplete):
            yield kind.name, kind.contract.partition(". ")[0][:80]


def _names(kind: str | None, incomplete: str) -> Iterator[tuple[str, str]]:
    from ..catalog.kinds import KINDS, kind_named
    from ..catalog.registry import Registry
    from ..recipe.keys import component_names

    wanted = kind_named(kind) if kind else None
    registry = Registry()
    for each in [wanted.name] if wanted else KINDS:
        yield from component_names(registry, each, incomplete)


def _entries(folder: Path, start: str) -> list[os.DirEntry[str]]:
    """What lies in a folder and begins with ``start``, sorted; hidden files only where a dot was typed."""
    try:
        found = list(os.scandir(folder))
    except OSError:
        return []
    shown = [each for each in found if each.name.startswith(start) and (start[:1] == "." or each.name[:1] != ".")]
    return sorted(shown, key=lambda each: each.name)


def _runs_below(folder: Path, depth: int) -> Iterator[Path]:
    for entry in _entries(folder, ""):
        if entry.is_dir():
            if (Path(entry.path) / _RUN_FILE).exists():
                yield Path(entry.path)
            elif depth > 1:
                yield from _runs_below(Path(entry.path), depth - 1)


def _description(path: Path) -> str:
    """The recipe's ``description:`` line, read without reading the recipe."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = [file.readline(400) for _ in range(5)]
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("description:")), "")
