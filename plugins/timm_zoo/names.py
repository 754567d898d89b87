"""timm's model names and weight tags, read from its source text: importing timm takes seconds."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, Final

from registry import cache, sources

_TABLE: Final = "generate_default_cfgs"


#: Where weights lie: repository on the Hugging Face hub and file in it, '' where timm's table names none.
Source = tuple[str, str]


def sources_by_tag() -> dict[str, dict[str, Source]]:
    """Every timm architecture with the tags of its pretrained weights, the default one first; '' is no tag.

    Raises:
        ModuleNotFoundError: timm is not installed.
    """
    folder = sources.locate("timm.models")
    if folder is None:
        raise ModuleNotFoundError("timm is not installed", name="timm")
    read_once = cache.for_version("timm-weights", "timm", lambda: read(folder.parent))
    return {name: {tag: (hub, file) for tag, (hub, file) in tags.items()} for name, tags in read_once.items()}


def tags_by_architecture() -> dict[str, list[str]]:
    """Every timm architecture with the tags of its pretrained weights, the default one first."""
    return {name: list(tags) for name, tags in sources_by_tag().items()}


def names() -> list[str]:
    """Every architecture, and every ``architecture.tag`` that has weights."""
    return [
        name
        for architecture, tags in tags_by_architecture().items()
        for name in (architecture, *(f"{architecture}.{tag}" for tag in tags if tag))
    ]


def holds(name: str) -> bool:
    """Whether a name is among ``names``. An architecture is found by a glance at timm's text, tags need its tables."""
    return name in _architectures() or ("." in name and name in names())


@lru_cache(maxsize=1)
def _architectures() -> frozenset[str]:
    folder = sources.locate("timm.models")
    files = folder.parent.glob("*.py") if folder is not None else ()
    marked = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)
    return frozenset(name for path in files for name in marked.findall(path.read_text(encoding="utf-8")))


def read(folder: Path) -> dict[str, dict[str, Source]]:
    """Architecture -> tag -> source, of all modules in timm's folder of models."""
    found: dict[str, dict[str, Source]] = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "@register_model" in text:
            tree = ast.parse(text)
            tables = _tags(tree, str(path))
            found.update({name: tables.get(name, {}) for name in _registered(tree)})
    return dict(sorted(found.items()))


def _registered(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
            if "register_model" in marks:
                yield node.name


def _tags(tree: ast.Module, path: str) -> dict[str, dict[str, Source]]:
    """Architecture -> tags with weights, and where they lie.

    Nothing, should a later timm write its tables in a way not foreseen here.
    """
    tables: list[Mapping[str, Any]] = []
    scope = _Scope({_TABLE: tables.append})
    try:
        exec(_slice(tree, path), scope)  # noqa: S102 - lines of the installed timm, run as its import would
    except Exception:
        return {}
    found: dict[str, dict[str, Source]] = {}
    defaults: set[str] = set()
    for table in tables:
        for name, config in table.items():
            architecture, _, tag = name.partition(".")
            if not any(config.get(key) for key in ("url", "file", "hf_hub_id")):
                continue
            listed = found.setdefault(architecture, {})
            source = _hub_source(config, name.replace("*", ""))
            if (not tag or tag.endswith("*")) and architecture not in defaults:
                defaults.add(architecture)
                found[architecture] = {tag.strip("*"): source, **listed}
            else:
                listed[tag.strip("*")] = source
    return found


def _hub_source(config: Mapping[str, Any], name: str) -> Source:
    hub = str(config.get("hf_hub_id") or "")
    # timm completes its own name by the model's
    return (hub + name.rstrip(".") if hub == "timm/" else hub), str(config.get("hf_hub_filename") or "")


def _slice(tree: ast.Module, path: str) -> CodeType:
    """The few top-level statements that make a module's tables of weights, without what they do not need.

    The tables are dictionaries made by calls, loops and comprehensions: running just these lines of timm reads them
    all, where a reader of literals misses a fifth.
    """
    body = [node for node in tree.body if not isinstance(node, ast.ClassDef)]
    wanted = {_TABLE}
    chosen: set[int] = {
        index for index, node in enumerate(body) if _TABLE in _loaded(node) and not isinstance(node, ast.FunctionDef)
    }
    before = -1
    while before != len(chosen):
        before = len(chosen)
        for index in chosen:
            wanted |= _loaded(body[index])
        for index, node in enumerate(body):
            if _bound(node) & wanted - {_TABLE} and _allowed(node):
                chosen.add(index)
    module = ast.Module([body[index] for index in sorted(chosen)], type_ignores=[])
    for node in module.body:
        if isinstance(node, ast.FunctionDef):  # annotations would be evaluated, and name what is not there
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
    return compile(ast.fix_missing_locations(module), path, "exec")


def _allowed(node: ast.stmt) -> bool:
    """Only the standard library is imported; other names stay unknown, and their values do not matter here."""
    if isinstance(node, ast.Import):
        return all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").partition(".")[0] in sys.stdlib_module_names
    return not (isinstance(node, ast.FunctionDef) and node.decorator_list)


def _loaded(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _bound(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case ast.Expr():
            return set()
    stored = (each for each in ast.walk(node) if isinstance(getattr(each, "ctx", None), ast.Store))
    return {
        name.id
        for each in stored
        for name in [each if isinstance(each, ast.Name) else getattr(each, "value", None)]
        if isinstance(name, ast.Name)
    }


class _Scope(dict[str, Any]):
    """Names to run the slice in; one that was not read is None."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, None)
