"""Changes of a recipe: another one merged onto it, and ``--set`` and ``--unset`` from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..errors import Problem, did_you_mean
from .yaml import BROKEN, DEEPEST, Location, Node, parse_value

_OPTION = re.compile(r"(?P<key>[^=]*?)(?P<sign>[+-]?)=(?P<value>.*)", re.DOTALL)
_USAGE = "write KEY=VALUE, KEY+=VALUE or KEY-=VALUE, such as trainer.epochs=5"
_KEY_USAGE = "write a dotted key, such as trainer.epochs or augment.train.0"


class _RefusedError(Exception):
    """An option that cannot be carried out.

    Its arguments are (message, hint) pairs; none where the cause has been reported before.
    """


def merge(base: Node, over: Node) -> Node:
    """``over`` merged onto ``base``, as a new tree.

    Mappings merge key by key. A component, or a search space, that ``over`` names otherwise replaces the base's as a
    whole; arguments without a name go to the component that the base names. Everything else replaces.
    """
    below = base
    if isinstance(base.value, str):
        below = Node({"use": Node(base.value, base.location, base.text)}, base.location)
    if not isinstance(over.value, dict) or not isinstance(below.value, dict):
        return over.copy()
    name, name_below = (node.value.get("use") or node.value.get("search") for node in (over, below))
    if name is not None and name_below is not None and name.value != name_below.value:
        return over.copy()
    merged = {key: node.copy() for key, node in below.value.items()}
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node.copy()
    return Node(merged, over.location)


def apply(root: Node, sets: Sequence[str], unsets: Sequence[str], problems: list[Problem]) -> frozenset[str]:
    """Change a tree in place, options in their order, deletions last.

    Args:
        root: a mapping; changed, so give a copy where the original is still needed.
        sets: ``a.b=c`` sets (making mappings on the way), ``a+=c`` appends to a list, ``a-=c`` removes every item that
            equals ``c`` or is the component ``c``. Items of a list are addressed by number: ``augment.train.0.p=1``.
        unsets: ``a.b`` deletes a key, ``a.0`` a list's item; negative numbers count from the end.
        problems: those of options that cannot be carried out are appended; these leave the tree as it was.

    Returns:
        The dotted paths that were changed.
    """
    changed = set()
    for flag, change, options in (("--set", _set, sets), ("--unset", _unset, unsets)):
        for option in options:
            try:
                changed.add(change(root, option))
            except _RefusedError as refused:
                problems += [Problem(f"{flag} {option}", *reason) for reason in refused.args]
    return frozenset(changed)


def put(root: Node, key: str, value: Node, problems: list[Problem]) -> None:
    """Set the value at a dotted path, in place; problems as of ``apply``."""
    try:
        _put(root, _parts(key), value)
    except _RefusedError as refused:
        problems += [value.problem(key, *reason) for reason in refused.args]


def _set(root: Node, option: str) -> str:
    match = _OPTION.fullmatch(option)
    if match is None or not match["key"].strip():
        raise _RefusedError(("is not an assignment", _USAGE))
    location = Location(f"--set {option}", None)
    value, problems = parse_value(match["value"], location)
    if problems:
        reasons = ((f"{each.path}: {each.message}" if each.path else each.message, each.hint) for each in problems)
        raise _RefusedError(*reasons)
    parts = _parts(match["key"])
    if match["sign"] == "-":
        _remove(_walk(root, parts), value)
    elif match["sign"] == "+":
        holder = _reach(root, parts[:-1], location)
        if isinstance(holder.value, dict):
            holder.value.setdefault(parts[-1], Node(None, location))
        target = holder.value[_position(holder, parts[-1])]
        if target.value is None:
            target.value, target.text = [], None
        _require_list(target)
        target.value.append(value)
    else:
        _put(root, parts, value)
    return ".".join(parts)


def _put(root: Node, parts: Sequence[str], value: Node) -> None:
    holder = _reach(root, parts[:-1], value.location)
    holder.value[_position(holder, parts[-1])] = value


def _unset(root: Node, key: str) -> str:
    *above, last = _parts(key)
    holder = _walk(root, above)
    _walk(holder, [last])
    del holder.value[_position(holder, last)]
    return ".".join([*above, last])


def _parts(key: str) -> list[str]:
    """``a[0].b`` and ``a.0.b`` alike."""
    parts = [part.strip() for part in re.sub(r"\[(-?\d+)\]", r".\1", key).split(".")]
    if not all(parts):
        raise _RefusedError(("has an empty part in its key", _KEY_USAGE))
    if len(parts) > DEEPEST:
        raise _RefusedError((f"its key is nested deeper than {DEEPEST} levels", None))
    return parts


def _reach(root: Node, parts: Sequence[str], location: Location) -> Node:
    """The mapping or list at a path, made where nothing is yet.

    A component written as its bare name becomes ``{use: name}``, an empty value a mapping.
    """
    node = root
    for at, part in enumerate(parts, 1):
        if isinstance(node.value, dict):
            node.value.setdefault(part, Node({}, location))
        node = node.value[_position(node, part)]
        if node.value is BROKEN:
            raise _RefusedError
        if node.value is None:
            node.value, node.text = {}, None
        elif isinstance(node.value, str):
            node.value, node.text = {"use": Node(node.value, node.location, node.text)}, None
        elif not isinstance(node.value, (dict, list)):
            hint = f"set {'.'.join(parts[:at])!r} itself"
            raise _RefusedError((f"goes through {node.plain()!r}, which has no keys", hint))
    return node


def _walk(root: Node, parts: Sequence[str]) -> Node:
    """The node at a path, which has to be there."""
    node = root
    for part in parts:
        if node.value is BROKEN:
            raise _RefusedError
        known = node.value if isinstance(node.value, dict) else {}
        if not isinstance(node.value, list) and part not in known:
            listed = f"the keys there: {', '.join(list(known)[:8])}" if known else "no keys are there"
            raise _RefusedError(
                (f"{part!r} does not exist, so it cannot be removed or changed", did_you_mean(part, known, listed))
            )
        node = node.value[_position(node, part)]
    return node


def _position(holder: Node, part: str) -> int | str:
    """The index of a list's item; the key itself in a mapping."""
    if not isinstance(holder.value, list):
        return part
    length = len(holder.value)
    if not re.fullmatch(r"-?[0-9]{1,9}", part):
        raise _RefusedError((f"{part!r} is not a position in a list of {length}", "number the items from 0"))
    if not -length <= int(part) < length:
        hint = f"its items are 0 to {length - 1}; += appends" if length else "the list is empty; += appends"
        raise _RefusedError((f"item {int(part)} does not exist in a list of {length}", hint))
    return int(part)


def _remove(target: Node, value: Node) -> None:
    """Remove every item of a list that equals a value, or is the component of that name."""
    _require_list(target)
    wanted = value.plain()
    names = [_name(item) for item in target.value]
    if isinstance(wanted, str) and wanted:
        kept = [item for item, name in zip(target.value, names, strict=True) if name != wanted]
    else:  # as JSON, because to Python 1, 1.0 and True are one
        kept = [item for item in target.value if _as_json(item) != _as_json(value)]
    if len(kept) == len(target.value):
        named = [name for name in names if name]
        listed = f"named there: {', '.join(named[:8])}" if named else None
        raise _RefusedError((f"the list has no {wanted!r}", did_you_mean(str(wanted), named, listed)))
    target.value = kept


def _require_list(target: Node) -> None:
    if target.value is BROKEN:
        raise _RefusedError
    if not isinstance(target.value, list):
        raise _RefusedError(("is not a list", "replace it with KEY=VALUE"))


def _as_json(node: Node) -> str:
    return json.dumps(node.plain(), sort_keys=True)


def _name(item: Node) -> str:
    """The component or text that an item is; empty for anything else."""
    use = item.get("use") if isinstance(item.value, dict) else item
    return use.value if use is not None and isinstance(use.value, str) else ""
