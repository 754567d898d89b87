"""A recipe's values against the types of parameters: checked and converted, or a problem with its location."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..catalog.spec import REQUIRED, ComponentSpec, Parameter
from ..errors import Problem, did_you_mean
from .types import Type, describe, shown, type_of
from .yaml import BROKEN, Node, as_node

#: Makes the plan of a nested component: (node, kind, path, problems) -> plan, or ``INVALID`` with a problem appended.
Nested = Callable[[Node, str, str, list[Problem]], Any]
#: More problems than this are counted, not listed.
MOST_LISTED: Final = 100
#: Larger integers fit neither torch nor numpy.
_LARGEST: Final = 2**63 - 1


class _Invalid:
    def __repr__(self) -> str:
        return "invalid"


#: Stands for a value about which a problem was reported.
INVALID: Final = _Invalid()


def problem_at(node: Node, path: str, message: str, hint: str | None = None) -> Problem:
    """A problem with the file and line of a node."""
    return Problem(path, message, hint, node.place.line, node.place.file)


def check_arguments(
    node: Node,
    parameters: Iterable[Parameter],
    path: str,
    nested: Nested,
    problems: list[Problem],
    owner: str,
    noun: str = "argument",
) -> dict[str, Any]:
    """Check a mapping's entries against parameters; the key ``use`` is passed over.

    Args:
        node: a mapping.
        parameters: those that may be given.
        path: dotted path of the mapping; '' at the top.
        nested: makes the plan of a component that is an argument.
        problems: every problem found is appended here.
        owner, noun: what the entries belong to and what they are called, for messages.

    Returns:
        The converted arguments that were given, and the components that defaults name; ``INVALID`` where a problem was
        reported.
    """
    known = {parameter.name: parameter for parameter in parameters}
    entries = node.value if isinstance(node.value, dict) else {}
    given: dict[str, Any] = {}
    for key, value in entries.items():
        where = _join(path, key)
        if key in known:
            given[key] = _argument(value, known[key], where, nested, problems)
        elif key != "use":
            hint = None
            if len(problems) < MOST_LISTED:  # looking for near spellings takes its time
                hint = did_you_mean(key, known, f"{noun}s: {', '.join(known)}" if known else f"it has no {noun}s")
            problems.append(problem_at(value, where, f"{owner} has no {noun} {key!r}", hint))
            given[key] = INVALID
    for parameter in known.values():
        if parameter.name in given:
            continue
        wanted = type_of(parameter.type)
        if parameter.required:
            component = wanted.find("component")
            hint = parameter.doc or (f"see 'hw1cli list {component.of}'" if component else None)
            message = f"is missing: {owner} needs {describe(wanted, with_article=True)}"
            problems.append(problem_at(node, _join(path, parameter.name), message, hint))
            given[parameter.name] = INVALID
        elif parameter.default is not REQUIRED and parameter.default is not None and wanted.find("component"):
            default = as_node(parameter.default)
            given[parameter.name] = convert(default, wanted, _join(path, parameter.name), nested, problems)
    return given


def _argument(node: Node, parameter: Parameter, path: str, nested: Nested, problems: list[Problem]) -> Any:
    """One argument; a problem without a hint of its own shows what the argument is for."""
    found: list[Problem] = []
    value = convert(node, type_of(parameter.type), path, nested, found)
    doc = f"{parameter.name}: {parameter.doc}" if parameter.doc else None
    problems += [replace(problem, hint=problem.hint or doc) for problem in found]
    return value


def is_invalid(arguments: dict[str, Any]) -> bool:
    """Whether a problem was reported about one of the arguments."""
    return any(value is INVALID for value in arguments.values())


def convert(node: Node, wanted: Type, path: str, nested: Nested, problems: list[Problem]) -> Any:
    """The node's value as the type wants it, or ``INVALID`` with a problem appended."""
    value = node.value
    if value is BROKEN:
        return INVALID
    if isinstance(value, int) and abs(value) > _LARGEST:
        problems.append(problem_at(node, path, "is an integer of more than 64 bits", "write a smaller number"))
        return INVALID
    if wanted.form == "component":
        return nested(node, wanted.of, path, problems)
    if wanted.form == "union":
        return _convert_union(node, wanted, path, nested, problems)
    if wanted.form == "list" and isinstance(value, list):
        return _convert_list(node, wanted, path, nested, problems)
    if wanted.form == "settings" and isinstance(value, dict):
        parameters = ComponentSpec.of(wanted.of).parameters
        arguments = check_arguments(node, parameters, path, nested, problems, path)
        return INVALID if is_invalid(arguments) else wanted.of(**arguments)
    if wanted.form == "mapping" and isinstance(value, dict):
        items = {k: convert(each, wanted.item, f"{path}.{k}", nested, problems) for k, each in value.items()}
        return INVALID if is_invalid(items) else items
    converted = _convert_scalar(node, wanted)
    if converted is INVALID or not all(limits.admits(converted) for limits in wanted.ranges):
        problems.append(_misfit(node, wanted, path))
        return INVALID
    return converted


def _convert_union(node: Node, wanted: Type, path: str, nested: Nested, problems: list[Problem]) -> Any:
    attempts = []
    # Words before components, which may have any name; integers before numbers, so that they stay integers.
    for member in sorted(wanted.members, key=lambda each: (each.find("component") is not None, each.form == "number")):
        found: list[Problem] = []
        value = convert(node, member, path, nested, found)
        if not found and value is not INVALID:
            return value
        attempts.append((member, found))
    serious = [(member, found) for member, found in attempts if member.form != "null"]
    components = [found for member, found in serious if member.find("component")]
    if node.value is not None and len(serious) == 1:
        problems += serious[0][1]
    elif node.value is not None and components:
        problems += components[0]
    else:
        problems.append(_misfit(node, wanted, path))
    return INVALID


def _convert_list(node: Node, wanted: Type, path: str, nested: Nested, problems: list[Problem]) -> Any:
    number = len(node.value)
    if wanted.fixed and number != len(wanted.members):
        problems.append(problem_at(node, path, f"expected {len(wanted.members)} values, got {number}"))
        return INVALID
    members = wanted.members if wanted.fixed else [wanted.item] * number
    items = [
        convert(item, each, f"{path}.{index}", nested, problems)
        for index, (item, each) in enumerate(zip(node.value, members, strict=True))
    ]
    return INVALID if any(item is INVALID for item in items) else wanted.of(items)


def _convert_scalar(node: Node, wanted: Type) -> Any:
    value = node.value
    match wanted.form:
        case "any":
            return node.plain()
        case "choice":
            fitting = (c for c in wanted.choices if c == value and isinstance(c, bool) == isinstance(value, bool))
            return next(fitting, INVALID)
        case "null":
            return None if value is None else INVALID
        case "path":
            return Path(value).expanduser() if isinstance(value, str) and value else INVALID
        case "number" if type(value) is int:
            return float(value)
        case "text" | "boolean" | "integer" | "number":
            return value if type(value) is wanted.of else INVALID
    return INVALID


def _misfit(node: Node, wanted: Type, path: str) -> Problem:
    """What was expected and what was written, with the nearest right value as the hint where there is one."""
    value, expected = node.value, f"expected {describe(wanted, with_article=True)}"
    if value is None:
        return problem_at(node, path, f"has no value: {expected}", "write one")
    got = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else shown(value)
    return problem_at(node, path, f"{expected}, got {got}", _nearest(node, wanted))


def _nearest(node: Node, wanted: Type) -> str | None:
    value = node.value
    if isinstance(value, str):
        words = [choice for choice in _choices(wanted) if isinstance(choice, str)]
        if words and (hint := did_you_mean(value, words)):
            return hint
        numeric = wanted.admits("number") or wanted.admits("integer")
        if numeric and (percent := re.fullmatch(r"([0-9.]+)\s*%", value)) and _is_number(percent[1]):
            return f"write {float(percent[1]) / 100:g}"
        return "write it without quotes" if numeric and not wanted.admits("text") and _is_number(value) else None
    if isinstance(value, float) and value.is_integer() and wanted.admits("integer"):
        return f"write {int(value)}"
    if wanted.admits("text") and node.text is not None:
        return f'write it in quotes: "{node.text}"'
    if wanted.admits("list") and not isinstance(value, dict):
        return f"write a list: [{shown(value)}]"
    return None


def _choices(wanted: Type) -> tuple[Any, ...]:
    members = wanted.members if wanted.form == "union" else ()
    return (*wanted.choices, *(choice for member in members for choice in _choices(member)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def completed(parameters: Iterable[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """The given arguments with every default filled in, in the signature's order."""
    return {p.name: given.get(p.name, p.default) for p in parameters if p.name in given or p.default is not REQUIRED}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
