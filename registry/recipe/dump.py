"""Plain data written as YAML that our own reader reads back."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .yaml import FLOAT, resolve_scalar


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
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{FLOAT.pattern})$"), list("-+.0123456789"))
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
