"""A user's own torch class in a plugin: its file is read, never run, and the spec is written from the constructor."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

from ..catalog.introspect import type_of
from ..catalog.kinds import Kind
from ..catalog.spec import argument_lines
from ..errors import InputError, did_you_mean
from .copied_files import copied, read, requirements
from .specs_written import Argument, quoted, source_of, window_of

#: Kinds of which a torch class can be one as it stands.
_KINDS: Final = ("backbones", "models", "losses")
#: What each fact of the run is, as a parameter's type.
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
#: Other names under which networks know the facts.
_SYNONYMS: Final = {
    "num_classes": ("n_classes", "nclasses", "classes", "num_class", "n_class", "out_classes", "num_labels"),
    "in_channels": ("in_chans", "in_ch", "input_channels", "num_channels", "n_channels", "img_channels"),
}
#: Bases by which a class is known to be a torch module; another base may be one as well.
_MODULES: Final = ("Module", "Sequential", "ModuleList")


@dataclass(frozen=True)
class Wrapped:
    """What a package is made of.

    Args:
        files: name in the package -> text.
        copies: the modules that are the user's files.
        modules: the module that holds the class.
        about: a paragraph for the README.
        dependencies: requirements.
        notes: for the user.
    """

    files: Mapping[str, str]
    copies: list[str]
    modules: str
    about: str
    dependencies: list[str]
    notes: list[str]


def wrap(source: str, kind: Kind, package: str, component: str) -> Wrapped:
    """Read ``FILE:CLASS`` and write the package's modules around it.

    Raises:
        InputError: the file, the class or its constructor does not allow it; says what to change.
    """
    if kind.name not in _KINDS:
        raise InputError.of("--from-file", f"does not go with --kind {kind.singular}", "backbone, model or loss")
    path, name = _parted(source)
    text, tree = read(path)
    node = _class(tree, path, name)
    notes: list[str] = []
    arguments = list(_arguments(node, path, notes))
    files = dict(copied(path, text, tree, notes))
    maps = kind.name == "backbones" and not _sets(node, "channels", "strides")
    if kind.name == "models" and not any(a.name == "num_classes" for a in arguments):
        notes.append(
            f"{name} does not take num_classes, so that it fits data of one number of classes only: add it to "
            f"__init__, and to {component} in specs.py as num_classes: FromData[int]"
        )
    if maps:
        notes.append(
            f"{name} does not set self.channels and self.strides, so that registry.engine.as_backbone finds its maps: "
            "those that forward returns in a list, else those inside of it"
        )
    modules = path.stem if path.stem not in ("spec", "__init__") else "network"
    copies = [name.removesuffix(".py") for name in files]
    files["specs.py"] = window_of(component, node, arguments, kind, modules, maps, package)
    about = f"`{modules}.py` is a copy of `{path.name}`; change it here from now on."
    if maps:
        about += (
            f" Its maps are found by `registry.engine.as_backbone`. Where `{name}.forward` returns a list of maps, "
            "finest first, and `__init__` sets `self.channels` and `self.strides`, `specs.py` can do without."
        )
    return Wrapped(files, copies, modules, about, ["hw1cli", *requirements(tree, files)], notes)


def _parted(source: str) -> tuple[Path, str]:
    file, _, name = source.rpartition(":")
    if not file or not name.isidentifier():
        raise InputError.of("--from-file", f"{source!r} is not FILE:CLASS", "such as net.py:MyNet")
    return Path(file).expanduser(), name


def _class(tree: ast.Module, path: Path, name: str) -> ast.ClassDef:
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        there = f"its classes are {', '.join(classes)}" if classes else "it has none"
        raise InputError.of("--from-file", f"{path} has no class {name!r}", did_you_mean(name, classes, there))
    node = classes[name]
    if not node.bases:
        raise InputError.of("--from-file", f"{name} has no base class", f"class {name}(nn.Module):")
    methods = {item.name for each in _lineage(node, classes) for item in each.body if isinstance(item, ast.FunctionDef)}
    bases = {ast.unparse(base).rpartition(".")[2] for each in _lineage(node, classes) for base in each.bases}
    if "forward" not in methods and bases <= {*_MODULES[:1], *classes}:
        raise InputError.of("--from-file", f"{name} has no method forward", "def forward(self, x): ...")
    return node


def _lineage(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """The class and those of its bases that the file holds."""
    yield node
    for base in node.bases:
        found = classes.get(ast.unparse(base))
        if found is not None and found is not node:
            yield from _lineage(found, classes)


def _sets(node: ast.ClassDef, *names: str) -> bool:
    """Whether the class sets these attributes, of itself or in a method."""
    set_here = set()
    for item in ast.walk(node):
        targets = (
            item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) else []
        )
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            set_here |= {part.attr for part in parts if isinstance(part, ast.Attribute)}
            set_here |= {part.id for part in parts if isinstance(part, ast.Name) and item in node.body}
        if isinstance(item, ast.FunctionDef) and item.decorator_list:
            set_here.add(item.name)  # a property
    return set(names) <= set_here


def _arguments(node: ast.ClassDef, path: Path, notes: list[str]) -> Iterator[Argument]:
    """The constructor's parameters that a recipe can give, and those that the run supplies."""
    init = next((i for i in node.body if isinstance(i, ast.FunctionDef) and i.name == "__init__"), None)
    if init is None:
        if not ast.unparse(node.bases[0]).endswith(_MODULES):
            notes.append(f"{node.name} has no __init__ of its own; add arguments of its base to specs.py by hand")
        return
    docs = {**argument_lines(ast.get_docstring(node) or ""), **argument_lines(ast.get_docstring(init) or "")}
    positional = [*init.args.posonlyargs, *init.args.args][1:]
    missing = [None] * (len(positional) - len(init.args.defaults))
    pairs = [*zip(positional, [*missing, *init.args.defaults], strict=False)]
    pairs += [*zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)]
    for argument, default in pairs:
        found = _argument(argument, default, docs.get(argument.arg, ""), node.name, path, notes)
        if found is not None:
            yield found


def _argument(
    argument: ast.arg, default: ast.expr | None, doc: str, owner: str, path: Path, notes: list[str]
) -> Argument | None:
    own = argument.arg
    name = next((fact for fact, others in _SYNONYMS.items() if own in others), own)
    doc = doc or f"{own} of {owner}."
    value, literal = _literal(default)
    if name in _FACT_TYPES:
        return Argument(name, own, f"FromData[{_FACT_TYPES[name]}]", repr(value) if literal else None, doc)
    annotation = type_of(ast.unparse(argument.annotation)) if argument.annotation else Any
    if annotation is Any and literal:
        annotation = _type_of_value(value)
    if not literal and default is not None:
        notes.append(f"{own} is left out of the spec: its default {ast.unparse(default)} is nothing that YAML can say")
        return None
    if annotation is Any and argument.annotation is not None and ast.unparse(argument.annotation) != "Any":
        told = f"{own}: {ast.unparse(argument.annotation)}"
        if default is None:
            raise InputError.of(
                f"{path}:{argument.lineno}",
                f"{owner} needs {told}, which a recipe cannot say, and has no default for it",
                "give it a default, or take a number, a text, a list of them, or a name that the class looks up",
            )
        if value is not None:
            annotation = _type_of_value(value)
        else:
            notes.append(f"{told} is left out of the spec: a recipe cannot say it")
            return None
    if value is None and literal and default is not None:
        annotation = Any if annotation is Any else Union[annotation, None]  # noqa: UP007 - built at run time
    as_list = isinstance(value, list)
    # A list as a default would be shared between calls; the spec takes a tuple, and the class gets its list.
    shown, convert = (_tuple_of(annotation), "list({})") if as_list else (annotation, "{}")
    text = None if default is None else repr(tuple(value) if as_list else value)
    return Argument(own, own, source_of(shown), quoted(text), doc, convert)


def _literal(default: ast.expr | None) -> tuple[Any, bool]:
    """The value of a default, and whether it is one that YAML can say."""
    if default is None:
        return None, False
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return None, False
    return value, value is None or isinstance(value, (bool, int, float, str, list, tuple))


def _type_of_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        kinds = {type(item) for item in value}
        inner = kinds.pop() if len(kinds) == 1 else float if kinds == {int, float} else Any
        container, items = (list, (inner,)) if isinstance(value, list) else (tuple, (inner, ...))
        return types.GenericAlias(container, items)
    return Any if value is None else type(value)


def _tuple_of(annotation: Any) -> Any:
    inner = get_args(annotation)
    item = inner[0] if inner and get_origin(annotation) is list else Any
    return types.GenericAlias(tuple, (item, ...))
