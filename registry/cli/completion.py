"""Completions of the command line: recipes, kinds, names, keys of a recipe and their values, run folders.

Every public name is click's ``shell_complete`` of a parameter: (context, parameter, what is typed so far) ->
completions. They read metadata and caches only, and return nothing where something is wrong: the command reports it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..editor.keys import Field

    Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

_RECIPE_SUFFIXES = (".yaml", ".yml")
#: Where runs are: a plan in runs/RUN, runs/RECIPE/RUN or runs/RECIPE/study/RUN.
_PLANS = tuple(f"{'*/' * depth}plan.json" for depth in (1, 2, 3))
_ASSIGNMENT = re.compile(r"(?P<key>[^=]*?)(?P<sign>[+-]?)=(?P<value>.*)", re.DOTALL)


def _completion(find: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Completion:
    """(value, doc) pairs as completions; a value that may be continued is ``open``."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        try:
            found = dict(find(ctx, incomplete))
        except Exception:  # a completion that fails must not write into the line that is being typed
            return []
        return [
            CompletionItem(value, "open" if value[-1:] in ("=", ".", "/") else "plain", " ".join(doc.split())[:100])
            for value, doc in found.items()
        ]

    return complete


# --- files and folders ------------------------------------------------------------------------


@_completion
def recipe_files(_ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Recipe files and folders; before anything is typed, those in recipes/ too."""
    for path, is_folder in [*_paths(incomplete), *(_paths("recipes/") if not incomplete else ())]:
        if is_folder:
            yield f"{path}/", ""
        elif path.endswith(_RECIPE_SUFFIXES):
            yield path, next((line.partition(":")[2] for line in _head(path) if line.startswith("description:")), "")


@_completion
def run_folders(_ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Folders of runs below runs/, the newest of a recipe last, and other folders by their names."""
    runs = sorted(str(plan.parent) for pattern in _PLANS for plan in Path("runs").glob(pattern))
    found = [run for run in runs if run.startswith(incomplete)]
    yield from ((run, "a run") for run in found)
    for path, is_folder in _paths(incomplete):
        if is_folder and not any(f"{run}/".startswith(f"{path}/") for run in found):
            yield f"{path}/", ""


def _paths(incomplete: str) -> list[tuple[str, bool]]:
    """The paths that begin like this, sorted, and whether each is a folder; hidden ones only after a dot."""
    folder, slash, start = incomplete.rpartition("/")
    above = folder + slash
    with suppress(OSError), os.scandir(Path(above or ".").expanduser()) as entries:
        found = [(each.name, each.is_dir()) for each in entries if each.name.startswith(start)]
        return sorted((above + name, is_folder) for name, is_folder in found if start[:1] == "." or name[0] != ".")
    return []


def _head(path: str) -> list[str]:
    """A recipe's first lines."""
    with suppress(OSError, UnicodeDecodeError), Path(path).expanduser().open(encoding="utf-8") as file:
        return list(islice(file, 5))
    return []


# --- kinds and names --------------------------------------------------------------------------


@_completion
def kinds(_ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The kinds of component."""
    from ..catalog.kinds import KINDS

    for kind in KINDS.values():
        if kind.name.startswith(incomplete):
            yield kind.name, kind.contract.partition(". ")[0][:80]


@_completion
def component_names(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The names of components, of the kind on the line if there is one."""
    from ..catalog.kinds import KINDS, kind_named

    kind = _given(ctx).get("kind")
    wanted = kind_named(kind) if kind else None
    return _names([wanted.name] if wanted else KINDS, incomplete)


@_completion
def generator_names(_ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The generators of data."""
    return _names(["generators"], incomplete)


def kinds_or_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Kinds; and the name of every component, once a part of it is typed."""
    return kinds(ctx, parameter, incomplete) + (component_names(ctx, parameter, incomplete) if incomplete else [])


def _names(of: Iterable[str], incomplete: str) -> Iterator[tuple[str, str]]:
    from ..catalog.registry import Registry
    from ..editor import keys

    registry = Registry()
    return (each for kind in of for each in keys.component_names(registry, kind, incomplete))


# --- keys and values of a recipe --------------------------------------------------------------


@_completion
def assignments(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """``--set`` of a recipe: its keys, those of the components chosen in it, and their values."""
    return _assignments(_recipe_on_line(ctx), incomplete)


@_completion
def generator_arguments(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """``--set`` of a generator."""
    from ..catalog.registry import Registry
    from ..editor.keys import Field
    from ..recipe.types import Type
    from ..recipe.yaml import as_node

    generator = Field(Registry(), Type("component", of="generators"), as_node(_given(ctx).get("name")))
    return ((value, doc) for value, doc in _assignments(generator, incomplete) if value != "use=")


@_completion
def present_keys(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """``--unset``: the keys that the recipe has."""
    above, dot, start = incomplete.rpartition(".")
    node = _recipe_on_line(ctx).node
    for part in above.split(".") if above else ():
        node = node.get(part) if node is not None else None
    for key, child in node.children() if node is not None else ():
        if key.startswith(start):
            is_open = isinstance(child.value, (dict, list))
            yield above + dot + key, "" if is_open else str(child.value)
            if is_open:
                yield f"{above}{dot}{key}.", ""


def _assignments(root: Field, incomplete: str) -> Iterator[tuple[str, str]]:
    match = _ASSIGNMENT.fullmatch(incomplete)
    if match is None:
        above, dot, start = incomplete.rpartition(".")
        for key, field in root.at(*(above.split(".") if above else ())).keys.items():
            path = above + dot + key
            if not key.startswith(start):
                continue
            yield f"{path}=", field.doc
            if field.type.form == "list":
                yield f"{path}+=", "appends"
            if field.opens and key != "use":
                yield f"{path}.", "its own keys"
        return
    field = root.at(*match["key"].split("."))
    is_list = field.type.form == "list"
    typed = f"{match['key']}{match['sign']}="
    if match["sign"] == "-" and is_list:
        names = (item.doc for item in field.keys.values() if item.doc)
        yield from ((typed + name, "removes it") for name in names if name.startswith(match["value"]))
    elif match["sign"] == "+" or not is_list:
        yield from ((typed + value, doc) for value, doc in field.values(match["value"]))


def _given(ctx: click.Context) -> dict[str, Any]:
    """The parameters on the line before the word that is being typed.

    click parses nothing of a line that ends in an option without its value, so it is parsed again without the option.
    """
    words = ctx.obj if isinstance(ctx.obj, list) else []
    if ctx.info_name not in words or not words[-1].startswith("-"):
        return ctx.params
    own = words[words.index(ctx.info_name) + 1 : -1]
    return ctx.command.make_context(ctx.info_name, own, parent=ctx.parent, resilient_parsing=True).params


def _recipe_on_line(ctx: click.Context) -> Field:
    """The recipe named on the line, with the changes already on the line."""
    from ..catalog.registry import Registry
    from ..editor.keys import Field
    from ..recipe.load import load
    from ..recipe.types import Type
    from ..recipe.yaml import parse

    given = _given(ctx)
    path = given.get("recipe")
    if path is None:
        return Field(Registry(), Type("recipe"))
    recipe = load(path, sets=given.get("sets") or (), demo=bool(given.get("demo")))
    root = recipe.root
    if recipe.is_study and isinstance(root.value, dict):  # loading removes its runs
        whole, _ = parse(Path(path).read_text(encoding="utf-8"), None)
        if whole is not None and "runs" in whole.value:
            root.value["runs"] = whole.value["runs"]
    return Field(Registry(), Type("recipe"), root)
