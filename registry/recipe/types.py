"""A recipe's value against a parameter's type: checked, converted, or a problem with its place."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.kinds import KINDS, Range, Uses
from ..catalog.spec import REQUIRED, Parameter, annotations_of, bare
from ..errors import Problem, did_you_mean
from .yaml import BROKEN, Node

#: Makes the plan of a nested component: (node, kind, path) -> plan.
Nested = Callable[[Node, str, str], Any]


class _Invalid:
    def __repr__(self) -> str:
        return "invalid"


#: Stands for a value about which a problem was reported.
INVALID: Final = _Invalid()


def uses(annotation: Any) -> str | None:
    """The kind of component that a parameter takes, through ``list[...]`` and ``... | None``; None for plain values."""
    for mark in annotations_of(annotation):
        if isinstance(mark, Uses):
            return mark.kind
    return next((kind for kind in map(uses, get_args(annotation)) if kind), None)


def describe_type(annotation: Any) -> str:
    """A type in a reader's words: ``float above 0``, ``list of text``, ``'a' or 'b'``, ``backbone``."""
    kind = uses(annotation) if not _is_container(annotation) else None
    if kind and bare(annotation) is Any:
        return KINDS[kind].singular
    ranges = " ".join(str(mark) for mark in annotations_of(annotation) if isinstance(mark, Range))
    plain = bare(annotation)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return " or ".join(_shown(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe_type(argument) for argument in arguments))
    if origin is tuple and arguments[-1:] != (...,):
        return f"[{', '.join(describe_type(argument) for argument in arguments)}]"
    if origin in (list, tuple):
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return f"mapping of text to {describe_type(arguments[1])}"
    words = {str: "text", bool: "true or false", int: "int", float: "float", Path: "path", Any: "any value"}
    words |= {type(None): "null", list: "list", tuple: "list", dict: "mapping"}
    return f"{words.get(plain, getattr(plain, '__name__', str(plain)))} {ranges}".strip()


def _is_container(annotation: Any) -> bool:
    return get_origin(bare(annotation)) in (list, tuple, dict, Union, types.UnionType)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def check_arguments(
    node: Node, parameters: Iterable[Parameter], path: str, nested: Nested, problems: list[Problem], owner: str
) -> dict[str, Any]:
    """Check a mapping's entries against parameters; the key ``use`` is passed over.

    Args:
        node: a mapping.
        parameters: those that may be given.
        path: dotted path of the mapping, '' for the top.
        nested: makes the plan of a component that stands as an argument.
        problems: every problem found is appended here.
        owner: what the arguments belong to, for messages.

    Returns:
        The converted arguments that were given; ``INVALID`` stands where a problem was reported.
    """
    known = {parameter.name: parameter for parameter in parameters}
    given: dict[str, Any] = {}
    entries = node.value if isinstance(node.value, dict) else {}
    for key, value in entries.items():
        if key == "use":
            continue
        where = f"{path}.{key}" if path else key
        if key not in known:
            hint = None
            if len(problems) < 100:  # as many as are listed
                hint = did_you_mean(key, known, f"it takes {', '.join(known)}" if known else "it takes no arguments")
            problems.append(problem_at(value, where, f"{owner} takes no argument {key!r}", hint))
            continue
        before = len(problems)
        given[key] = convert(value, known[key].type, where, nested, problems)
        # A problem that knows no cure of its own shows what the argument is for.
        doc = f"{key}: {known[key].doc}" if known[key].doc else f"{key} takes {describe_type(known[key].type)}"
        problems[before:] = [replace(problem, hint=problem.hint or doc) for problem in problems[before:]]
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            where = f"{path}.{parameter.name}" if path else parameter.name
            message = f"{owner} needs {parameter.name!r} ({describe_type(parameter.type)})"
            problems.append(problem_at(node, where, message, parameter.doc or None))
    return given


def problem_at(node: Node, path: str, message: str, hint: str | None = None) -> Problem:
    """A problem with the place of a node."""
    return Problem(path, message, hint, node.place.line, node.place.file)


def convert(node: Node, annotation: Any, path: str, nested: Nested, problems: list[Problem]) -> Any:
    """The node's value as the annotation wants it, or ``INVALID`` with a problem appended."""
    if node.value is BROKEN:
        return INVALID
    if isinstance(node.value, int) and abs(node.value) >= 2**63:
        problems.append(problem_at(node, path, "is an integer of more than 64 bits", "write a smaller number"))
        return INVALID
    plain = bare(annotation)
    for mark in annotations_of(annotation):
        if isinstance(mark, Uses):
            return nested(node, mark.kind, path)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin in (Union, types.UnionType):
        return _convert_union(node, annotation, arguments, path, nested, problems)
    if origin in (list, tuple) or plain in (list, tuple):
        return _convert_list(node, annotation, path, nested, problems)
    if origin is dict and isinstance(node.value, dict):
        items = {k: convert(v, arguments[1], f"{path}.{k}", nested, problems) for k, v in node.value.items()}
        return INVALID if any(item is INVALID for item in items.values()) else items
    value = _convert_scalar(node, plain)
    if value is INVALID:
        problems.append(_misfit(node, annotation, path))
        return INVALID
    for mark in annotations_of(annotation):
        if isinstance(mark, Range) and not mark.admits(value):
            problems.append(problem_at(node, path, f"must be {mark}, got {value!r}"))
            return INVALID
    return value


def _convert_union(
    node: Node, annotation: Any, members: tuple[Any, ...], path: str, nested: Nested, problems: list[Problem]
) -> Any:
    attempts = []
    for member in sorted(members, key=_order_of_attempt):
        found: list[Problem] = []
        value = convert(node, member, path, nested, found)
        if not found and value is not INVALID:
            return value
        attempts.append((member, found))
    serious = [(member, found) for member, found in attempts if member is not type(None)]
    if len(serious) == 1 and node.value is not None:
        problems += serious[0][1]
    elif not any(uses(member) for member, _ in serious) or node.value is None:
        problems.append(_misfit(node, annotation, path))
    else:
        problems += next(found for member, found in serious if uses(member))
    return INVALID


def _order_of_attempt(member: Any) -> tuple[bool, bool]:
    """Words first: a component would report that it has no such name. An int stays an int where both are allowed."""
    return uses(member) is not None, member is float


def _convert_list(node: Node, annotation: Any, path: str, nested: Nested, problems: list[Problem]) -> Any:
    plain = bare(annotation)
    container, arguments = get_origin(plain) or plain, get_args(plain)
    if not isinstance(node.value, list):
        hint = "write a list: [...]" if node.value is not None else None
        problems.append(_misfit(node, annotation, path, hint))
        return INVALID
    fixed = container is tuple and arguments and arguments[-1] is not ...
    if fixed and len(node.value) != len(arguments):
        problems.append(problem_at(node, path, f"takes {len(arguments)} values, got {len(node.value)}"))
        return INVALID
    wanted = arguments if fixed else [arguments[0] if arguments else Any] * len(node.value)
    items = [
        convert(item, each, f"{path}.{index}", nested, problems)
        for index, (item, each) in enumerate(zip(node.value, wanted, strict=True))
    ]
    return INVALID if any(item is INVALID for item in items) else container(items)


def _convert_scalar(node: Node, wanted: Any) -> Any:
    value = node.value
    if wanted is Any:
        return node.plain()
    if get_origin(wanted) is Literal:
        fitting = [c for c in get_args(wanted) if c == value and isinstance(c, bool) == isinstance(value, bool)]
        return fitting[0] if fitting else INVALID
    if wanted in (None, type(None)):
        return None if value is None else INVALID
    if wanted is Path:
        return Path(value).expanduser() if isinstance(value, str) and value else INVALID
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is dict:
        return node.plain() if isinstance(value, dict) else INVALID
    if wanted in (str, bool, int, float):
        return value if type(value) is wanted else INVALID
    return INVALID


def _misfit(node: Node, annotation: Any, path: str, hint: str | None = None) -> Problem:
    value = node.value
    if value is None:
        return problem_at(node, path, f"has no value: {describe_type(annotation)} is wanted", hint or "write one")
    shown = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"{_shown(value)}"
    choices = [c for c in _choices(annotation) if isinstance(c, str)]
    if isinstance(value, str) and choices:
        hint = hint or did_you_mean(value, choices)
    elif isinstance(value, str) and hint is None:
        hint = "write it without quotes" if _numeric(value) and "text" not in describe_type(annotation) else None
    elif isinstance(value, float) and value.is_integer() and "int" in describe_type(annotation):
        hint = hint or f"write {int(value)}"
    elif "text" in describe_type(annotation) and node.text is not None:
        hint = hint or f'write it in quotes: "{node.text}"'
    return problem_at(node, path, f"{describe_type(annotation)} is wanted, got {shown}", hint)


def _choices(annotation: Any) -> tuple[Any, ...]:
    plain = bare(annotation)
    if get_origin(plain) is Literal:
        return get_args(plain)
    return tuple(choice for argument in get_args(plain) for choice in _choices(argument))


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def completed(parameters: Iterable[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """The given arguments with every default filled in, in the signature's order."""
    return {p.name: given.get(p.name, p.default) for p in parameters if p.name in given or p.default is not REQUIRED}
