"""timm's tables of pretrained weights, read from its source text."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, Final, TypedDict

#: Takes each table of a module of timm.
_TABLE: Final = "generate_default_cfgs"
#: The class of a table's entries.
_ENTRY: Final = "PretrainedCfg"


class Weights(TypedDict, total=False):
    """What timm's tables tell of a model's weights, and of the images that they are made for; plain JSON."""

    #: repository on the Hugging Face hub, and the file in it where that is not the usual one
    hf_hub_id: str
    hf_hub_filename: str
    #: where else the file lies
    url: str
    #: (C, H, W) in training, and in timm's own evaluation where that differs
    input_size: list[int]
    test_input_size: list[int]
    #: per channel, of images in 0..1
    mean: list[float]
    std: list[float]
    interpolation: str
    #: side of the central square that is seen, as a share of the shorter side; in training, and in evaluation
    crop_pct: float
    test_crop_pct: float
    num_classes: int
    license: str


_KEPT: Final = tuple(Weights.__annotations__)


def has_weights(weights: Mapping[str, Any]) -> bool:
    """Whether there are such weights, or only a network to be trained from scratch."""
    return any(weights.get(key) for key in ("url", "file", "hf_hub_id"))


def read(folder: Path) -> dict[str, dict[str, Weights]]:
    """Architecture -> tag -> weights, the default tag first, of all modules in timm's folder of models."""
    found: dict[str, dict[str, Weights]] = {}
    constants, defaults = _constants(folder.parent / "data" / "constants.py"), _defaults(folder / "_pretrained.py")
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "@register_model" in text:
            tree = ast.parse(text)
            tables = _tags(tree, str(path), constants, defaults)
            found.update({name: tables.get(name, {}) for name in _registered(tree)})
    return dict(sorted(found.items()))


def _registered(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
            if "register_model" in marks:
                yield node.name


def _constants(path: Path) -> dict[str, Any]:
    """The means and standard deviations that the tables name; none, should a later timm keep them elsewhere."""
    scope: dict[str, Any] = {}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)  # noqa: S102 - numbers only
    except Exception:
        return {}
    return {name: value for name, value in scope.items() if name.isupper()}


def _defaults(path: Path) -> dict[str, Any]:
    """What holds for weights of which a table does not say it: the defaults of timm's class of an entry."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        fields = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == _ENTRY)
        return {
            field.target.id: ast.literal_eval(field.value)
            for field in fields
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None
        }
    except (OSError, SyntaxError, ValueError, StopIteration):
        return {}


def _tags(
    tree: ast.Module, path: str, constants: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, dict[str, Weights]]:
    """Architecture -> tags, and their weights.

    Nothing, should a later timm write its tables in a way not foreseen here.
    """
    tables: list[Mapping[str, Any]] = []
    scope = _Scope({**constants, _TABLE: tables.append})
    try:
        exec(_slice(tree, path), scope)  # noqa: S102 - lines of the installed timm, run as its import would
    except Exception:
        return {}
    found: dict[str, dict[str, Weights]] = {}
    marked: set[str] = set()
    for name, entry in (item for table in tables for item in table.items()):
        architecture, _, tag = name.partition(".")
        listed, there = found.setdefault(architecture, {}), has_weights(entry)
        weights = _weights({**defaults, **entry}, name.replace("*", ""))
        default = architecture not in marked and (tag.endswith("*") or (there and not tag))
        if default:
            marked.add(architecture)
        # timm's order of precedence: what is marked, else the first that has weights, else the first
        if default or (there and not any(map(has_weights, listed.values()))):
            found[architecture] = {tag.strip("*"): weights, **listed}
        else:
            listed[tag.strip("*")] = weights
    return found


def _weights(entry: Mapping[str, Any], name: str) -> Weights:
    entry_facts: dict[str, Any] = {key: entry[key] for key in _KEPT if entry.get(key) not in (None, "")}
    if entry_facts.get("hf_hub_id") == "timm/":  # timm completes its own name by the model's
        entry_facts["hf_hub_id"] += name.rstrip(".")
    if isinstance(entry_facts.get("url"), tuple):
        entry_facts["url"] = entry_facts["url"][0]
    plain: Any = {key: list(value) if isinstance(value, tuple) else value for key, value in entry_facts.items()}
    weights: Weights = plain
    return weights


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
