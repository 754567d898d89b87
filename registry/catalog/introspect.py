"""Libraries read as text: where a module is, what its classes take, without importing any of it.

Importing torch.optim, timm.optim, torchmetrics or albumentations takes 5 to 14 s, even if only once for each version;
reading their text takes less than a second. What the text leaves open is a constant of another library, such as
``cv2.INTER_LINEAR``: see ``_CONSTANTS``.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Optional, TypedDict, Union, get_args, get_origin

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
    """What a class's source contains; plain JSON, so that it can be cached."""

    module: str
    bases: list[str]
    doc: str
    #: ``[name, annotation, default]`` of ``__init__`` as source text ('' where absent); None: not defined there.
    arguments: list[list[str]] | None


def locate(module: str) -> Path | None:
    """The file of a module (a package's ``__init__.py``), found without importing it or its parents."""
    search: Any = None
    spec = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        for finder in sys.meta_path:
            with suppress(Exception):  # a broken import hook is reported by whoever imports
                spec = finder.find_spec(".".join(parts[:end]), search)
            if spec is not None:
                break
        else:
            return None
        search, found, spec = spec.submodule_search_locations, spec, None
    return Path(found.origin) if found.origin and found.has_location else None


@lru_cache(maxsize=256)
def _parsed(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def summary_of(target: str) -> str:
    """First docstring line of ``module:function``, or '' when the source has none."""
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
            keywords = node.value.keywords if isinstance(node.value, ast.Call) else []  # of a Zoo(...)
            values = (each.value for each in keywords if each.arg == "summary")
            return next((str(value.value) for value in values if isinstance(value, ast.Constant)), "")
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


def parameters_of(name: str, classes: Mapping[str, ClassText], skip: Collection[str] = ()) -> tuple[Parameter, ...]:
    """The parameters of a class's ``__init__``, its own or the nearest inherited one."""
    lines = argument_lines(classes[name]["doc"])
    arguments, queue = None, [name]
    while arguments is None and queue:
        text = classes.get(queue.pop(0))
        if text is not None:
            arguments = text["arguments"]
            queue.extend(text["bases"])
    found = []
    for argument, annotation, source in arguments or []:
        if argument not in skip:
            default: Any = REQUIRED
            if source:
                try:
                    default = ast.literal_eval(source)
                except ValueError:
                    default = Unread(source)
            found.append(Parameter(argument, type_of(annotation), default, lines.get(argument, "")))
    return tuple(found)


class Unread(str):
    """A default that only the library can evaluate: shown as its source, never passed on."""

    def __repr__(self) -> str:
        return str(self)


class _NotInRecipes:
    """Stands for the types of ``_NOT_IN_RECIPES``."""


#: What annotations may be made of; ``Any`` is what everything else makes of one.
_NAMES: Final[dict[str, Any]] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict, bytes)},
    **dict.fromkeys(("List", "Sequence", "Iterable", "Collection"), list),
    **dict.fromkeys(_NOT_IN_RECIPES, _NotInRecipes),
    "Tuple": tuple,
    "Dict": dict,
    "Literal": Literal,
    "Optional": Optional,
    "Union": Union,
    "ScaleFloatType": float | tuple[float, float],
    "ScaleIntType": int | tuple[int, int],
}


class _LastNames(ast.NodeTransformer):
    """Replaces ``typing.Optional`` by ``Optional``, ``Annotated[x, ...]`` by ``x`` and quoted annotations by theirs."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Name(node.attr, ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self.visit(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node  # type: ignore[no-any-return]

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name in _NOT_IN_RECIPES:
            return node.value
        if name == "Annotated" and isinstance(node.slice, ast.Tuple):
            return self.visit(node.slice.elts[0])  # type: ignore[no-any-return]
        if name != "Literal":
            node.slice = self.visit(node.slice)
        return node


def type_of(source: str) -> Any:
    """An annotation's source as a type; ``Any`` for whatever is not made of plain types."""
    try:
        tree = ast.fix_missing_locations(_LastNames().visit(ast.parse(source, mode="eval")))
        found = eval(compile(tree, source, "eval"), {"__builtins__": {}}, _NAMES)
    except Exception:  # a name of the library's own
        return Any
    found = _writable(found)
    return Any if found is _NotInRecipes else found


def _writable(annotation: Any) -> Any:
    """The annotation without the alternatives that no recipe can hold; ``_NotInRecipes`` where none is left."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    kept = [_writable(argument) for argument in arguments]
    if origin in (Union, UnionType):
        kept = [argument for argument in kept if argument is not _NotInRecipes]
        return Union[tuple(kept)] if len(kept) > 1 else next(iter(kept), _NotInRecipes)  # noqa: UP007 - at run time
    return _NotInRecipes if _NotInRecipes in kept else origin[tuple(kept)]
