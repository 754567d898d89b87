"""Parts of a JSON schema (draft-07, which editors' YAML servers know best): scalars, alternatives, references."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ..catalog.introspect import Unread
from ..catalog.spec import REQUIRED
from ..recipe.interval import Interval
from ..recipe.search import SEARCHES
from ..recipe.types import Form, Type

Schema = dict[str, Any]

#: ``${a.b}`` may be written for any value.
REFERENCE: Final = r"\$\{.+\}"

_SCALARS: Final[dict[Form, Schema]] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "path": {"type": "string", "minLength": 1},
    "interval": {"type": "string", "pattern": Interval.PATTERN},
    "null": {"type": "null"},
}


#: A mapping in place of a value: its search space.
_SEARCH: Final[Schema] = {"required": ["search"], "properties": {"search": {"enum": list(SEARCHES)}}}


def _with_reference(kinds: list[str]) -> Schema:
    """A value of these types, ``${a.b}``, or a search space.

    A pattern applies to text alone, and required keys to mappings alone, so that editors show one message.
    """
    expected = f"expected {' or '.join(kinds)}, or ${{path.to.value}}"
    schema: Schema = {"type": [*kinds, "string"], "pattern": REFERENCE, "patternErrorMessage": expected}
    return schema if "object" in kinds else {**schema, "type": [*schema["type"], "object"], **_SEARCH}


#: What thousands of parameters share, for the definitions: a reference to one is half as long.
SHARED: Final[dict[str, Schema]] = {
    "reference": {"type": ["string", "object"], "pattern": REFERENCE, **_SEARCH},
    **{
        ".or.".join(kinds): _with_reference(kinds)
        for alone in (["boolean"], ["integer"], ["number"], ["array"], ["array", "integer"], ["array", "number"])
        for kinds in (alone, [*alone, "null"])
    },
}


def scalar_schema(wanted: Type) -> Schema:
    """The schema of a choice, of a scalar with its ranges, or of anything."""
    schema = {"enum": list(wanted.choices)} if wanted.form == "choice" else dict(_SCALARS.get(wanted.form, {}))
    for limits in wanted.ranges:
        bounds = {"minimum": limits.least, "maximum": limits.most, "exclusiveMinimum": limits.above}
        schema |= {word: bound for word, bound in bounds.items() if bound is not None}
    return schema


def or_reference(schema: Schema) -> Schema:
    """The schema, or ``${a.b}`` in the value's place."""
    kinds = schema.get("type")
    if kinds is None:
        if not schema or "$ref" in schema:  # anything at all, or a component, which may be a reference already
            return schema
        return {"anyOf": [*_alternatives(schema), {"$ref": "#/definitions/reference"}]}
    listed = sorted(kinds) if isinstance(kinds, list) else [kinds]
    if "string" in listed:
        return schema
    limits = {key: value for key, value in schema.items() if key != "type"}
    shared = ".or.".join(listed)
    if shared not in SHARED:
        return {**limits, **_with_reference(listed)}
    reference = {"$ref": f"#/definitions/{shared}"}
    return {"allOf": [reference], **limits} if limits else reference


def either(schemas: Iterable[Schema]) -> Schema:
    """The alternatives, each once."""
    flat = [each for schema in schemas for each in _alternatives(schema)]
    distinct = list({json.dumps(each, sort_keys=True): each for each in flat}.values())
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _alternatives(schema: Schema) -> list[Schema]:
    return schema["anyOf"] if set(schema) == {"anyOf"} else [schema]


def union_schema(members: list[Schema]) -> Schema:
    """One schema of several types where they do not mix, else alternatives; of anything where one takes anything."""
    if not all(members):
        return {}
    distinct = list({json.dumps(member, sort_keys=True): member for member in members}.values())
    words = [member.get("type") for member in distinct]
    holding = sum("items" in member or "additionalProperties" in member for member in distinct)
    if len(distinct) > 1 and holding <= 1 and all(isinstance(word, str) for word in words):
        limited = any(member["type"] in ("integer", "number") and len(member) > 1 for member in distinct)
        if len(set(words)) == len(words) and not (limited and {"integer", "number"} <= set(words)):
            return {**{key: value for member in distinct for key, value in member.items()}, "type": words}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def default_schema(default: Any) -> Schema:
    """A default as an entry of a schema; none for what JSON cannot say, and for what only the library can evaluate."""
    value = None if default is REQUIRED else _as_json(default)
    return {} if value is None else {"default": value}


def _as_json(value: Any) -> Any:
    if isinstance(value, Unread) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, (Path, Interval)):
        return str(value)
    return value if isinstance(value, (bool, int, float, str)) else None


def share_repeated(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Give the arguments that several members of a zoo document alike (``p`` of augmentations) one definition."""
    holders: dict[tuple[str, str, str], list[dict[str, Schema]]] = {}
    for key, schema in definitions.items():
        zoo = key.rpartition(".")[0]
        for name, each in schema.get("properties", {}).items() if "." in zoo else ():
            holders.setdefault((zoo, name, json.dumps(each)), []).append(schema["properties"])
    numbers = Counter[str]()
    for (zoo, name, text), found in holders.items():
        if len(found) > 2 and len(text) > 80:
            key = f"{zoo}.{name}"
            numbers[key] += 1
            definitions[f"{key}.{numbers[key]}"] = json.loads(text)
            for properties in found:
                properties[name] = {"$ref": f"#/definitions/{key}.{numbers[key]}"}
    return definitions
