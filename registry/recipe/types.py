"""The type of a parameter: its annotation taken apart once, and the values, the words and the hints that go with it."""

from __future__ import annotations

import re
import types
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.kinds import KINDS, Range, Uses
from ..catalog.registry import article
from ..errors import Problem, did_you_mean
from .interval import Interval
from .yaml import BROKEN, FLOAT, Node

Form = Literal[
    "any", "null", "text", "boolean", "integer", "number", "path", "choice",
    "interval", "list", "mapping", "union", "component", "settings", "recipe", "other",
]  # fmt: skip
_FORMS: Final[dict[Any, Form]] = {
    Any: "any",
    None: "null",
    type(None): "null",
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    Path: "path",
    Interval: "interval",
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
    marks: tuple[Any, ...] = getattr(annotation, "__metadata__", ())  # of an Annotated type
    plain = annotation.__origin__ if marks else annotation
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
    if is_dataclass(plain) and plain is not Interval:
        return Type("settings", of=plain)
    ranges = tuple(mark for mark in marks if isinstance(mark, Range))
    return Type(_FORMS.get(plain, "other"), ranges=ranges, of=plain)


def uses(annotation: Any) -> str | None:
    """The kind of component that a parameter takes, through ``list[...]`` and ``... | None``; None for plain values."""
    found = type_of(annotation).find("component")
    return found.of if found else None


def describe_type(annotation: Any) -> str:
    """A type in words, as in tables: ``number above 0``, ``list of text``, ``'a' or 'b'``, ``backbone``."""
    return describe(type_of(annotation))


def describe(wanted: Type, *, with_article: bool = False, plural: bool = False) -> str:
    """A type in words; ``with_article`` as in a sentence: ``a number above 0``; ``plural`` for what a list holds."""
    form = wanted.form
    if form == "choice":
        return " or ".join(shown(choice) for choice in wanted.choices)
    if form == "union":
        inner = (describe(member, with_article=with_article, plural=plural) for member in wanted.members)
        return " or ".join(dict.fromkeys(inner))
    if form == "list" and wanted.fixed:
        return f"[{', '.join(describe(member) for member in wanted.members)}]"
    if form in _WORDS:
        return _WORDS[form]
    if form == "component":
        words = str(wanted.of) if plural else KINDS[wanted.of].singular  # a kind is named by its plural
    elif form == "list":
        words = f"list of {describe(wanted.item, plural=True)}" if wanted.members else "list"
    elif form == "mapping":
        words = f"mapping of text to {describe(wanted.item)}" if wanted.members else "mapping"
    elif form in ("settings", "recipe"):
        words = "mapping"
    elif form == "other":
        words = getattr(wanted.of, "__name__", str(wanted.of))
    else:
        words = " ".join([f"{form}s" if plural else form, *map(str, wanted.ranges)])
    return article(words) if with_article and not plural else words


#: Forms that read the same in the plural and in sentences.
_WORDS: Final = {
    "text": "text",
    "null": "null",
    "boolean": "true or false",
    "any": "any value",
    "interval": Interval.EXAMPLES,
}


def shown(value: Any) -> str:
    """A scalar as a recipe writes it, text in quotes."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def scalar(node: Node, wanted: Type, path: str) -> Any:
    """A value as a type of scalars wants it, or the problem of another type or of a number out of range."""
    value = node.value
    found: Any = BROKEN
    match wanted.form:
        case "any":
            return node.plain()
        case "choice":
            fitting = (c for c in wanted.choices if c == value and isinstance(c, bool) == isinstance(value, bool))
            found = next(fitting, BROKEN)
        case "null":
            found = None if value is None else BROKEN
        case "path" if isinstance(value, str) and value:
            found = Path(value).expanduser()
        case "number" if type(value) is int:
            found = float(value)
        case "interval" if isinstance(value, str):
            with suppress(ValueError):
                found = Interval(value)
        case "text" | "boolean" | "integer" | "number" if type(value) is wanted.of:
            found = value
    fits = found is not BROKEN and all(limits.admits(found) for limits in wanted.ranges)
    return found if fits else misfit(node, wanted, path)


def misfit(node: Node, wanted: Type, path: str) -> Problem:
    """What was expected and what was written, with the nearest right value as the hint where there is one."""
    value, expected = node.value, f"expected {describe(wanted, with_article=True)}"
    if value is None:
        return node.problem(path, f"has no value: {expected}", "write one")
    got = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else shown(value)
    return node.problem(path, f"{expected}, got {got}", _nearest(node, wanted))


def _nearest(node: Node, wanted: Type) -> str | None:
    value, numeric = node.value, wanted.admits("number") or wanted.admits("integer")
    if node.text == "search: linear":
        return "search: int gives integers" if wanted.admits("integer") else None
    if wanted.admits("interval"):
        try:
            Interval(str(value))
        except ValueError as error:
            return str(error) or None
    if isinstance(value, str):
        members = wanted.members if wanted.form == "union" else (wanted,)
        words = [choice for member in members for choice in member.choices if isinstance(choice, str)]
        if words and (hint := did_you_mean(value, words)):
            return hint
        if numeric and (percent := re.fullmatch(rf"({FLOAT.pattern})\s*%", value)):
            return f"write {float(percent[1]) / 100:g}"
        return "write it without quotes" if numeric and not wanted.admits("text") and FLOAT.fullmatch(value) else None
    if isinstance(value, float) and value.is_integer() and wanted.admits("integer"):
        return f"write {int(value)}"
    if wanted.admits("text") and node.text is not None:
        return f'write it in quotes: "{node.text}"'
    if wanted.admits("list") and not isinstance(value, dict):
        return f"write a list: [{shown(value)}]"
    return None
