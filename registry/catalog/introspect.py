"""Libraries read as text: where a module lies, what its classes take, without importing any of it.

Importing torch.optim, timm.optim, torchmetrics or albumentations takes 5 to 14 s, even if only once for each version;
reading their text takes less than a second. What the text leaves open is a constant of another library, such as
``cv2.INTER_LINEAR``: see ``_CONSTANTS``.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final, Literal, Optional, TypedDict, Union

from .spec import REQUIRED, Parameter, argument_lines

#: The values of constants that occur in signatures. OpenCV's belong to its public interface and never change.
_CONSTANTS: Final[dict[str, float]] = {
    **{f"{module}.pi": math.pi for module in ("math", "np", "numpy")},
    "cv2.BORDER_CONSTANT": 0,
    "cv2.BORDER_REPLICATE": 1,
    "cv2.BORDER_REFLECT": 2,
    "cv2.BORDER_WRAP": 3,
    "cv2.BORDER_REFLECT_101": 4,
    "cv2.INTER_NEAREST": 0,
    "cv2.INTER_LINEAR": 1,
    "cv2.INTER_CUBIC": 2,
    "cv2.INTER_AREA": 3,
    "cv2.INTER_LANCZOS4": 4,
    "cv2.INTER_LINEAR_EXACT": 5,
    "cv2.INTER_NEAREST_EXACT": 6,
}
#: Annotations of values that no recipe can hold: of a union, the other members count.
_NOT_IN_RECIPES: Final = ("Tensor", "Callable", "Module", "Generator", "ParamsT")


class ClassText(TypedDict):
    """What a class's source holds; plain JSON, so that it can be cached."""

    module: str
    bases: list[str]
    doc: str
    #: ``[name, annotation, default]`` of ``__init__`` as source text ('' where absent); None: not defined there.
    arguments: list[list[str]] | None


def locate(module: str) -> Path | None:
    """The file of a module (a package's ``__init__.py``), found without importing it or its parents."""
    search: Any = None
    spec = None
    walked = ""
    for part in module.split("."):
        walked = f"{walked}.{part}" if walked else part
        spec = _find(walked, search)
        if spec is None:
            return None
        search = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


def _find(name: str, search: Any) -> Any:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, search)
        except Exception:  # a broken import hook is not ours to report here
            continue
        if spec is not None:
            return spec
    return None


@lru_cache(maxsize=256)
def _parsed(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def summary_of(target: str) -> str:
    """First docstring line of ``module:function``, or '' when the source does not tell."""
    module, _, name = target.partition(":")
    try:
        path = locate(module)
        if path is None or path.suffix != ".py":
            return ""
        tree = _parsed(path, path.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return _zoo_summary(node.value)
    return ""


def _zoo_summary(value: ast.expr) -> str:
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg == "summary" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return ""


def classes_below(folder: Path, package: str) -> dict[str, ClassText]:
    """Every top-level class in the Python files below a folder, by name."""
    found: dict[str, ClassText] = {}
    for path in sorted(folder.rglob("*.py")):
        module = ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = _class_text(node, module)
            elif isinstance(node, ast.Assign):
                name, _, attribute = ast.unparse(node.targets[0]).partition(".")
                if attribute == "__doc__" and name in found:
                    found[name]["doc"] = cleandoc(_text_of(node.value))
    return found


def _text_of(node: ast.expr) -> str:
    """The literal text of an expression that makes a docstring; what is filled in is left out."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text_of, parts))
        case ast.BinOp(left=left, right=right):
            return _text_of(left) + _text_of(right)
    return ""


def prose(doc: str) -> str:
    """The first paragraph of a docstring in one line, without the marks of reStructuredText."""
    text = re.sub(r":\w+:|`([^`<]+?)\s*(?:<[^>]*>)?`_{0,2}", r"\1", doc.strip().partition("\n\n")[0])
    return " ".join(text.replace("``", "").split())


def _class_text(node: ast.ClassDef, module: str) -> ClassText:
    doc = ast.get_docstring(node) or ""
    arguments = None
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = _arguments(item.args)
            own = ast.get_docstring(item) or ""
            doc = "\n\n".join(part for part in (doc, own) if part)
    bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
    return {"module": module, "bases": bases, "doc": doc, "arguments": arguments}


def _arguments(arguments: ast.arguments) -> list[list[str]]:
    positional = [*arguments.posonlyargs, *arguments.args][1:]
    defaults: list[ast.expr | None] = [None] * len(positional)
    if arguments.defaults:
        defaults[-len(arguments.defaults) :] = arguments.defaults[-len(positional) :]
    pairs = [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [
        [argument.arg, *(ast.unparse(_Evaluated().visit(part)) if part else "" for part in (argument.annotation, d))]
        for argument, d in pairs
    ]


class _Evaluated(ast.NodeTransformer):
    """Replaces constants of ``_CONSTANTS``, and arithmetic on numbers, by their values."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = _CONSTANTS.get(ast.unparse(node))
        return node if value is None else ast.Constant(value)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if all(
            isinstance(side, ast.Constant) and isinstance(side.value, (int, float)) for side in (node.left, node.right)
        ):
            return ast.Constant(eval(ast.unparse(node)))
        return node


def descends_from(name: str, ancestors: Iterable[str], classes: Mapping[str, ClassText]) -> bool:
    """Whether a class has one of the ancestors among its bases, however far up."""
    wanted, seen, queue = set(ancestors), set[str](), [name]
    while queue:
        current = queue.pop()
        if current in seen or current not in classes:
            continue
        seen.add(current)
        bases = classes[current]["bases"]
        if wanted.intersection(bases):
            return True
        queue.extend(bases)
    return False


def parameters_of(name: str, classes: Mapping[str, ClassText], skip: Iterable[str] = ()) -> tuple[Parameter, ...]:
    """The parameters of a class's ``__init__``, its own or the nearest inherited one."""
    hidden = set(skip)
    lines = argument_lines(classes[name]["doc"])
    arguments, queue = None, [name]
    while arguments is None and queue:
        text = classes.get(queue.pop(0))
        if text is not None:
            arguments = text["arguments"]
            queue.extend(text["bases"])
    return tuple(
        Parameter(argument, type_of(annotation), _default(default), lines.get(argument, ""))
        for argument, annotation, default in arguments or []
        if argument not in hidden
    )


def _default(source: str) -> Any:
    if not source:
        return REQUIRED
    try:
        return ast.literal_eval(source)
    except ValueError:
        return Unread(source)


class Unread(str):
    """A default that only the library can evaluate: shown as its source, never passed on."""

    def __repr__(self) -> str:
        return str(self)


_NAMES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict, bytes)},
    "List": list,
    "Tuple": tuple,
    "Dict": dict,
    "Sequence": list,
    "Iterable": list,
    "Collection": list,
    "ScaleFloatType": float | tuple[float, float],
    "ScaleIntType": int | tuple[int, int],
    "None": None,
}


def type_of(source: str) -> Any:
    """An annotation's source as a type; ``Any`` for whatever is not made of plain types."""
    if not source:
        return Any
    try:
        return _evaluate(ast.parse(source, mode="eval").body)
    except (SyntaxError, _NotPlain):
        return Any


class _NotPlain(Exception):
    pass


def _evaluate(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _evaluate(ast.parse(text, mode="eval").body)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([left, right])
        case ast.Subscript(value=value, slice=index):
            return _subscripted(ast.unparse(value).rpartition(".")[2], index)
    raise _NotPlain(ast.unparse(node))


def _union(members: list[ast.expr]) -> Any:
    known = []
    for member in members:
        try:
            known.append(_evaluate(member))
        except _NotPlain as error:
            if str(error).partition("[")[0].rpartition(".")[2] not in _NOT_IN_RECIPES:
                raise
    if not known:
        raise _NotPlain("Callable")
    return Union[tuple(known)]  # noqa: UP007 - built at run time


def _subscripted(name: str, index: ast.expr) -> Any:
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    if name == "Literal":
        try:
            return Literal[tuple(ast.literal_eval(item) for item in items)]
        except ValueError as error:
            raise _NotPlain(str(error)) from error
    if name == "Annotated":
        return _evaluate(items[0])
    if name == "Optional":
        return Optional[_evaluate(items[0])]  # noqa: UP045 - built at run time
    if name == "Union":
        return _union(items)
    container = _NAMES.get(name)
    if container not in (list, tuple, dict):
        raise _NotPlain(name)
    arguments = tuple(... if isinstance(i, ast.Constant) and i.value is ... else _evaluate(i) for i in items)
    return container[arguments]
