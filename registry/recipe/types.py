"""The type of a parameter: its annotation taken apart once, and the values, the words and the hints that go with it."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.kinds import KINDS, Range, Uses
from ..catalog.registry import article
from ..catalog.spec import annotations_of, bare
from ..errors import Problem, did_you_mean
from .yaml import BROKEN, Node

Scalar = Literal["any", "null", "text", "boolean", "integer", "number", "path", "choice"]
Form = Scalar | Literal["list", "mapping", "union", "component", "settings", "recipe", "other"]
_FORMS: Final[dict[Any, Form]] = {
    Any: "any",
    None: "null",
    type(None): "null",
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    Path: "path",
}


@dataclass(frozen=True)
class Type:
    """What may be written for a parameter.

    Args:
        form: what it is; ``recipe`` is a whole recipe, ``other`` a Python type that no recipe can write.
        members: the alternatives of a union, the items of a list of fixed length, or the one type of all items of a
            list or mapping (none where anything is allowed).
        choices: of a ``choice``.
        ranges: of a number.
        of: the kind of a component, the dataclass of settings, the class of a list (``list`` or ``tuple``).
        fixed: whether a list has exactly the items in ``members``.
    """

    form: Form
    members: tuple[Type, ...] = ()
    choices: tuple[Any, ...] = ()
    ranges: tuple[Range, ...] = ()
    of: Any = None
    fixed: bool = False

    @property
    def item(self) -> Type:
        """The type of every item of a list or mapping that has no fixed length."""
        return self.members[0] if self.members else Type("any")

    def find(self, form: Form) -> Type | None:
        """The first type of this form in it: itself, a member, or a member's member."""
        if self.form == form:
            return self
        return next((found for member in self.members if (found := member.find(form))), None)

    def admits(self, form: Form) -> bool:
        """Whether it is of a form, or a union with a member of that form."""
        return self.form == form or (self.form == "union" and any(member.admits(form) for member in self.members))


def type_of(annotation: Any) -> Type:
    """Take an annotation apart; this is the only function that does so."""
    marks, plain = annotations_of(annotation), bare(annotation)
    kind = next((mark.kind for mark in marks if isinstance(mark, Uses)), None)
    if kind is not None:
        return Type("component", of=kind)
    origin, arguments = get_origin(plain) or plain, get_args(plain)
    if origin is Literal:
        return Type("choice", choices=arguments)
    if origin in (Union, types.UnionType):
        return Type("union", tuple(type_of(argument) for argument in arguments))
    if origin in (list, tuple):
        fixed = origin is tuple and bool(arguments) and arguments[-1] is not ...
        return Type("list", tuple(type_of(each) for each in arguments if each is not ...), of=origin, fixed=fixed)
    if origin is dict:
        return Type("mapping", tuple(type_of(argument) for argument in arguments[1:]))
    if is_dataclass(plain):
        return Type("settings", of=plain)
    ranges = tuple(mark for mark in marks if isinstance(mark, Range))
    return Type(_FORMS.get(plain, "other"), ranges=ranges, of=plain)


def uses(annotation: Any) -> str | None:
    """The kind of component that a parameter takes, through ``list[...]`` and ``... | None``; None for plain values."""
    found = type_of(annotation).find("component")
    return found.of if found is not None else None


def describe_type(annotation: Any) -> str:
    """A type in words, as in tables: ``number above 0``, ``list of text``, ``'a' or 'b'``, ``backbone``."""
    return describe(type_of(annotation))


def describe(wanted: Type, *, with_article: bool = False) -> str:
    """A type in words; ``with_article`` as in a sentence: ``a number above 0``."""
    inner = [describe(member, with_article=with_article) for member in wanted.members]
    match wanted.form:
        case "choice":
            return " or ".join(shown(choice) for choice in wanted.choices)
        case "union":
            return " or ".join(dict.fromkeys(inner))
        case "list" if wanted.fixed:
            return f"[{', '.join(describe(member) for member in wanted.members)}]"
        case "text" | "null":
            return wanted.form
        case "boolean":
            return "true or false"
        case "any":
            return "any value"
        case "component":
            words = KINDS[wanted.of].singular
        case "list":
            words = f"list of {_plural(wanted.item)}" if wanted.members else "list"
        case "mapping":
            words = f"mapping of text to {describe(wanted.item)}" if wanted.members else "mapping"
        case "settings" | "recipe":
            words = "mapping"
        case "other":
            words = getattr(wanted.of, "__name__", str(wanted.of))
        case _:
            words = " ".join([wanted.form, *map(_bounds, wanted.ranges)])
    return article(words) if with_article else words


def _plural(item: Type) -> str:
    """What a list holds: ``integers at least 1``, ``losses``."""
    if item.form == "component":
        return str(item.of)  # a kind is named by its plural
    if item.form in ("integer", "number", "path"):
        return describe(item).replace(item.form, f"{item.form}s", 1)
    return describe(item)


def _bounds(limits: Range) -> str:
    lowest = f"above {limits.above:g}" if limits.above is not None else None
    if limits.least is not None and limits.most is not None:
        return f"from {limits.least:g} to {limits.most:g}"
    if limits.least is not None:
        lowest = f"at least {limits.least:g}"
    highest = f"at most {limits.most:g}" if limits.most is not None else None
    return " and ".join(bound for bound in (lowest, highest) if bound)


def shown(value: Any) -> str:
    """A scalar as a recipe writes it, text in quotes."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def scalar(node: Node, wanted: Type, path: str) -> Any:
    """A value as a type of scalars wants it, or the problem of another type or of a number out of range."""
    value = _of_form(node, wanted)
    fits = value is not BROKEN and all(limits.admits(value) for limits in wanted.ranges)
    return value if fits else misfit(node, wanted, path)


def _of_form(node: Node, wanted: Type) -> Any:
    value = node.value
    match wanted.form:
        case "any":
            return node.plain()
        case "choice":
            fitting = (c for c in wanted.choices if c == value and isinstance(c, bool) == isinstance(value, bool))
            return next(fitting, BROKEN)
        case "null":
            return None if value is None else BROKEN
        case "path":
            return Path(value).expanduser() if isinstance(value, str) and value else BROKEN
        case "number" if type(value) is int:
            return float(value)
        case "text" | "boolean" | "integer" | "number":
            return value if type(value) is wanted.of else BROKEN
    return BROKEN


def misfit(node: Node, wanted: Type, path: str) -> Problem:
    """What was expected and what was written, with the nearest right value as the hint where there is one."""
    value, expected = node.value, f"expected {describe(wanted, with_article=True)}"
    if value is None:
        return node.problem(path, f"has no value: {expected}", "write one")
    got = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else shown(value)
    return node.problem(path, f"{expected}, got {got}", _nearest(node, wanted))


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
