"""A user's own torch class in a plugin: its file is read, never run, and a spec is written from its constructor."""

from __future__ import annotations

import ast
import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.introspect import type_of
from ..catalog.kinds import Kind
from ..catalog.registry import article
from ..catalog.spec import argument_lines
from ..errors import InputError, did_you_mean
from .copied_files import copied, read, requirements

#: Kinds whose components are torch classes.
_KINDS: Final = ("backbones", "models", "losses")
#: The facts that the run supplies, each with its type.
_FACT_TYPES: Final = {
    "num_classes": "int",
    "in_channels": "int",
    "ignore_index": "int | None",
    "class_names": "list[str] | None",
    "epochs": "int",
    "total_steps": "int",
    "batch_size": "int",
    "seed": "int",
}
#: Other names that networks use for the facts.
_CLASSES = ("n_classes", "nclasses", "classes", "num_class", "n_class", "out_classes", "num_labels")
_CHANNELS = ("in_chans", "in_ch", "input_channels", "num_channels", "n_channels", "img_channels")
_SYNONYMS: Final = {**dict.fromkeys(_CLASSES, "num_classes"), **dict.fromkeys(_CHANNELS, "in_channels")}


@dataclass(frozen=True)
class Argument:
    """A parameter of the constructor, as the spec has it: ``own`` is the constructor's name for it."""

    name: str
    own: str
    annotation: str
    default: str | None
    doc: str


@dataclass(frozen=True)
class Wrapped:
    """What a package is made of.

    Args:
        files: name in the package -> text; the user's files.
        spec: what the template of specs.py needs.
        about: a paragraph for the README.
        dependencies: requirements.
        notes: for the user.
    """

    files: Mapping[str, str]
    spec: Mapping[str, str]
    about: str
    dependencies: list[str]
    notes: list[str]


def wrap(source: str, kind: Kind, component: str) -> Wrapped:
    """Read ``FILE:CLASS`` and write the package's modules around it.

    Raises:
        InputError: the file, the class or its constructor does not allow it; the hint is what to change.
    """
    if kind.name not in _KINDS:
        raise InputError.of(
            "--from-file", f"cannot be combined with --kind {kind.singular}", "expected backbone, model or loss"
        )
    file, _, name = source.rpartition(":")
    if not file or not name.isidentifier():
        raise InputError.of("--from-file", f"{source!r} is not FILE:CLASS", "such as net.py:MyNet")
    path = Path(file).expanduser()
    text, tree = read(path)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        names = f"its classes are {', '.join(classes)}" if classes else "it has none"
        raise InputError.of("--from-file", f"{path} has no class {name!r}", did_you_mean(name, classes, names))
    node = classes[name]
    if not node.bases:
        hint = f"write class {name}(nn.Module):"
        raise InputError.of(f"{path}:{node.lineno}", f"{name} has no base class", hint)
    notes: list[str] = []
    arguments = sorted(_arguments(node, path, notes), key=lambda each: each.default is not None)
    files = dict(copied(path, text, tree, notes))
    if kind.name == "models" and not any(a.name == "num_classes" for a in arguments):
        notes.append(
            f"{name} does not take num_classes, so that it fits data of one number of classes only: add it to "
            f"__init__, and to {component} in specs.py as num_classes: FromData[int]"
        )
    module = next(iter(files)).removesuffix(".py")
    about = f"`{module}.py` is a copy of `{path.name}`; change it here from now on."
    if kind.name == "backbones":
        origin = (
            f"registry.engine.as_backbone finds the maps of {name}: those that forward returns, where it sets "
            "self.channels and self.strides or returns a list; else the outputs of modules inside"
        )
        about, notes = f"{about} `registry.engine.as_backbone`{origin[27:]}.", [*notes, origin]
    spec = _spec_of(node, arguments, kind) | {"component": component, "module": module}
    return Wrapped(files, spec, about, ["hw1cli", *requirements(tree, files)], notes)


def _arguments(node: ast.ClassDef, path: Path, notes: list[str]) -> Iterator[Argument]:
    """The constructor's parameters that a recipe can give, and those that the run supplies."""
    init = next((i for i in node.body if isinstance(i, ast.FunctionDef) and i.name == "__init__"), None)
    if init is None:
        notes.append(f"{node.name} has no __init__ of its own; add arguments of its base to specs.py by hand")
        return
    docs = {**argument_lines(ast.get_docstring(node) or ""), **argument_lines(ast.get_docstring(init) or "")}
    positional = [*init.args.posonlyargs, *init.args.args][1:]
    missing = [None] * (len(positional) - len(init.args.defaults))
    pairs = [*zip(positional, [*missing, *init.args.defaults], strict=False)]
    pairs += [*zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)]
    for argument, default in pairs:
        name = _SYNONYMS.get(argument.arg, argument.arg)
        doc = " ".join((docs.get(argument.arg) or f"{argument.arg} of {node.name}.").split())
        value, literal = _literal(default)
        fact = _FACT_TYPES.get(name)
        annotation = f"FromData[{fact}]" if fact else _annotation(argument, default, node.name, path, notes)
        if annotation is not None:
            yield Argument(name, argument.arg, annotation, _source(value) if literal else None, _quotable(doc)[:100])


def _annotation(argument: ast.arg, default: ast.expr | None, owner: str, path: Path, notes: list[str]) -> str | None:
    """The parameter's type as source; None where it has to be left out, with a note.

    Raises:
        InputError: it has no type, or one that YAML cannot express, and no default to do without it.
    """
    own, where = argument.arg, f"{path}:{argument.lineno}"
    given = "" if argument.annotation is None else ast.unparse(argument.annotation)
    value, literal = _literal(default)
    found = type_of(given)
    if default is not None and not literal:
        notes.append(f"{where}: {own} is left out of the spec: YAML cannot express its default {ast.unparse(default)}")
        return None
    if found is Any and value is not None:
        found = _type_of_value(value)
    if found is not Any:
        optional = default is not None and value is None
        return _type_source(Union[found, None] if optional else found)  # noqa: UP007 - built at run time
    if given in ("", "Any"):
        message = f"the argument {own!r} of {owner} has no type, so that a recipe's value for it could not be checked"
        hint = f"add one, such as {own}: int, {own}: str | None = None or {own}: list[float]"
    elif default is None:
        message = f"{owner} needs {own}: {given}, which a recipe cannot give, and it has no default"
        hint = "give it a default, or take a number, a text, a list of them, or a name that the class looks up"
    else:
        notes.append(f"{where}: {own} is left out of the spec: a recipe cannot give {own}: {given}")
        return None
    raise InputError.of(where, message, hint)


def _literal(default: ast.expr | None) -> tuple[Any, bool]:
    """The value of a default, and whether YAML can express it."""
    if default is None:
        return None, False
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return None, False
    return value, value is None or isinstance(value, (bool, int, float, str, list, tuple))


def _type_of_value(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return type(value)
    kinds = {type(item) for item in value}
    inner = kinds.pop() if len(kinds) == 1 else float if kinds == {int, float} else None
    if inner not in (bool, int, float, str):
        return Any
    return types.GenericAlias(list, (inner,)) if isinstance(value, list) else types.GenericAlias(tuple, (inner, ...))


def _type_source(annotation: Any) -> str:
    """A type as it is written in Python."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (None, type(None)):
        return "None"
    if origin is Literal:
        return f"Literal[{', '.join(map(_source, inner))}]"
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(_type_source, inner)))
    if inner:
        return f"{origin.__name__}[{', '.join('...' if each is ... else _type_source(each) for each in inner)}]"
    return str(getattr(annotation, "__name__", annotation))


def _source(value: Any) -> str:
    """A value as it is written in Python, a text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _quotable(text: str) -> str:
    return text.replace("\\", "/").replace('"""', "'''")


def _spec_of(node: ast.ClassDef, arguments: list[Argument], kind: Kind) -> dict[str, str]:
    """The blanks of the template of specs.py."""
    doc = _quotable((ast.get_docstring(node) or "").partition("\n")[0].strip())
    summary = doc if 0 < len(doc) <= 100 else f"{node.name}, {article(kind.singular)}."
    docstring = [summary, "", "    Args:", *(f"        {each.name}: {each.doc}" for each in arguments), "    "]
    annotations = " ".join(each.annotation for each in arguments)
    defaults = ["" if each.default is None else f" = {each.default}" for each in arguments]
    pairs = zip(arguments, defaults, strict=True)
    signature = "".join(f"    {each.name}: {each.annotation}{default},\n" for each, default in pairs)
    # A list is copied: a default would be shared between calls.
    lists = [f"list({each.name})" if (each.default or "")[:1] == "[" else each.name for each in arguments]
    passed = [f"{each.own}={value}" for each, value in zip(arguments, lists, strict=True)]
    call = ", ".join(passed)
    channels = ", in_channels" if any(each.name == "in_channels" for each in arguments) else ""
    is_backbone = kind.name == "backbones"
    return {
        "Class": node.name,
        "typing": "TYPE_CHECKING, Literal" if re.search(r"\bLiteral\b", annotations) else "TYPE_CHECKING",
        "registry": "\nfrom registry import FromData\n" if "FromData" in annotations else "",
        "signature": f"\n    *,\n{signature}" if arguments else "",
        "docstring": "\n".join(docstring) if arguments else summary,
        "imports": "    from registry.engine import as_backbone\n" if is_backbone else "",
        "call": call if len(call) <= 80 else "\n" + "".join(f"        {each},\n" for each in passed) + "    ",
        "returned": f"as_backbone(network{channels})" if is_backbone else "network",
    }
