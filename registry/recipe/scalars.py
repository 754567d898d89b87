"""YAML 1.2's plain scalars read, and plain data written so that they are read back."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

#: Longer numbers are text: and Python neither reads nor prints 4300 digits (3570 hexadecimal ones).
_LONGEST_NUMBER: Final = 3500
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def resolve_scalar(text: str) -> bool | int | float | str | None:
    """A plain scalar as YAML 1.2's core schema reads it (section 10.3.2): ``1e-3`` is a float, ``no`` is text."""
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[no-any-return]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+", text):
        return int(text[2:], 8)
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text[2:], 16)
    return float(text) if _FLOAT.fullmatch(text) else text


def dump(data: Any) -> str:
    """Plain data as block YAML that ``parse`` reads back to the same data."""
    dumped: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return dumped


class _Dumper(yaml.SafeDumper):
    """Quotes what our own reader would read as something else, and writes lists of scalars in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    # Between other quotes a line break would be folded, and some characters are line breaks to YAML alone.
    quoted = not isinstance(resolve_scalar(text), str) or not text.isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


def _represent_float(dumper: _Dumper, value: float) -> yaml.Node:
    words = {float("inf"): ".inf", float("-inf"): "-.inf"}
    text = ".nan" if value != value else words.get(value, repr(value))
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_list(dumper: _Dumper, items: list[Any] | tuple[Any, ...]) -> yaml.Node:
    scalars = not any(isinstance(item, (dict, list, tuple)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=scalars)


# PyYAML alone would give 1e+300 a tag, because it reads that as text.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT.pattern})$"), list("-+.0123456789"))
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
