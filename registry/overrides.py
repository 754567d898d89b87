"""``--set`` and ``--unset``: a recipe changed from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .documents import Node, Place, parse_value
from .problems import Problem, did_you_mean

_OPTION = re.compile(r"(?P<key>[^=]*?)(?P<sign>[+-]?)=(?P<value>.*)", re.DOTALL)
_USAGE = "write KEY=VALUE, KEY+=VALUE or KEY-=VALUE, such as trainer.epochs=5"


class _Refused(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def apply(root: Node, sets: Sequence[str], unsets: Sequence[str]) -> list[Problem]:
    """Change a tree in place, options in their order, deletions last.

    Args:
        root: a mapping; changed.
        sets: ``a.b=c`` sets (making mappings on the way), ``a+=c`` appends to a list, ``a-=c`` removes the item that
            equals ``c`` or is the component ``c``. Items of a list are addressed by number: ``augment.train.0.p=1``.
        unsets: ``a.b`` deletes a key, ``a.0`` a list's item; negative numbers count from the end.

    Returns:
        A problem for each option that could not be carried out.
    """
    problems = []
    for flag, options in (("--set", sets), ("--unset", unsets)):
        for option in options:
            try:
                if flag == "--set":
                    problems += _set(root, option)
                else:
                    _unset(root, option)
            except _Refused as refused:
                problems.append(Problem(f"{flag} {option}", refused.message, refused.hint))
    return problems


def keys_named(sets: Sequence[str], unsets: Sequence[str]) -> frozenset[str]:
    """The dotted paths that the options change."""
    matches = (_OPTION.fullmatch(option) for option in sets)
    named = [match["key"] for match in matches if match] + list(unsets)
    return frozenset(".".join(_parts(key)) for key in named)


def _set(root: Node, option: str) -> list[Problem]:
    match = _OPTION.fullmatch(option)
    if match is None or not match["key"].strip():
        raise _Refused("is no assignment", _USAGE)
    place = Place(f"--set {option}", None)
    value, problems = parse_value(match["value"], place)
    if problems:
        return [Problem(f"--set {option}", problem.message, problem.hint) for problem in problems]
    parts = _parts(match["key"].strip())
    holder = _descend(root, parts[:-1], place)
    last = parts[-1]
    if match["sign"]:
        _change_list(holder, last, match["sign"], value, place)
    elif isinstance(holder.value, list):
        holder.value[_index(holder, last)] = value
    else:
        _as_component(holder, place)
        holder.value[last] = value
    return []


def _parts(key: str) -> list[str]:
    """``a[0].b`` and ``a.0.b`` alike."""
    parts = re.sub(r"\[(-?\d+)\]", r".\1", key).split(".")
    if not all(parts):
        raise _Refused("has an empty part in its key", _USAGE)
    return parts


def _descend(node: Node, parts: Sequence[str], place: Place) -> Node:
    for part in parts:
        if isinstance(node.value, list):
            node = node.value[_index(node, part)]
        else:
            _as_component(node, place)
            node = node.value.setdefault(part, Node({}, place))
    return node


def _as_component(node: Node, place: Place) -> None:
    """A component written as its bare name becomes ``{use: name}``, an empty value a mapping, where a key is needed."""
    if isinstance(node.value, dict):
        return
    if node.value is None:
        node.value = {}
    elif isinstance(node.value, str):
        node.value, node.text = {"use": Node(node.value, node.place, node.text)}, None
    else:
        raise _Refused(f"goes through {node.value!r}, which holds no keys")


def _index(node: Node, part: str) -> int:
    length = len(node.value)
    if not re.fullmatch(r"-?\d+", part):
        raise _Refused(f"{part!r} is no position in a list of {length}", "number the items from 0, or use += and -=")
    index = int(part)
    if not -length <= index < length:
        raise _Refused(f"there is no item {index} in a list of {length}", f"items 0 to {length - 1}; += appends")
    return index


def _change_list(holder: Node, last: str, sign: str, value: Node, place: Place) -> None:
    if isinstance(holder.value, list):
        target = holder.value[_index(holder, last)]
    else:
        _as_component(holder, place)
        target = holder.value.get(last)
    if target is None:
        if sign == "-":
            raise _Refused(f"there is no list {last!r}", did_you_mean(last, holder.value))
        target = holder.value[last] = Node([], place)
    if not isinstance(target.value, list):
        raise _Refused(f"{last!r} is no list")
    if sign == "+":
        target.value.append(value)
        return
    wanted = value.plain()
    kept = [item for item in target.value if item.plain() != wanted and _name(item) != wanted]
    if len(kept) == len(target.value):
        raise _Refused(f"the list has no {wanted!r}", did_you_mean(str(wanted), [_name(i) for i in target.value if _name(i)]))
    target.value = kept


def _name(item: Node) -> str:
    use = item.value.get("use") if isinstance(item.value, dict) else item
    return use.value if use is not None and isinstance(use.value, str) else ""


def _unset(root: Node, key: str) -> None:
    parts, node = _parts(key), root
    for part in parts[:-1]:
        node = _child(node, part)
    _child(node, parts[-1])
    if isinstance(node.value, list):
        del node.value[int(parts[-1])]
    else:
        del node.value[parts[-1]]


def _child(node: Node, part: str) -> Node:
    if isinstance(node.value, list):
        return node.value[_index(node, part)]  # type: ignore[no-any-return]
    if not isinstance(node.value, dict) or part not in node.value:
        known = node.value if isinstance(node.value, dict) else ()
        raise _Refused(f"there is no {part!r} to delete", did_you_mean(part, known))
    return node.value[part]  # type: ignore[no-any-return]
