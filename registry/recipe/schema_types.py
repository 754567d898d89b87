"""A parameter's type as a JSON schema (draft-07, which editors' YAML servers know best)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..catalog.introspect import Unread
from ..catalog.spec import REQUIRED, Parameter
from .types import Form, Type, type_of

Schema = dict[str, Any]
#: The schema of a component, or of settings, for parameters that take one: (its type, inside a list) -> schema.
Defined = Callable[[Type, bool], Schema]

#: ``${a.b}`` may be written for any value.
REFERENCE: Final = r"\$\{.+\}"
#: The same as a schema of its own, in the definitions.
_REFERENCE_SCHEMA: Final[Schema] = {"$ref": "#/definitions/reference"}

_SCALARS: Final[dict[Form, Schema]] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "path": {"type": "string", "minLength": 1},
    "null": {"type": "null"},
}


#: Characters of a parameter's doc that are kept.
_LONGEST_DOC: Final = 160


def _with_reference(kinds: list[str]) -> Schema:
    """A value of these types, or ``${a.b}``: a pattern applies to text alone, so that editors show one message."""
    expected = f"expected {' or '.join(kinds)}, or ${{path.to.value}}"
    return {"type": [*kinds, "string"], "pattern": REFERENCE, "patternErrorMessage": expected}


#: What thousands of parameters share, for the definitions: a reference to one is half as long.
SHARED: Final[dict[str, Schema]] = {
    ".or.".join(kinds): _with_reference(kinds)
    for kind in ("boolean", "integer", "number", "array")
    for kinds in ([kind], [kind, "null"])
}


def parameter_schema(parameter: Parameter, defined: Defined) -> Schema:
    """The schema of one parameter, with its doc and its default."""
    schema = or_reference(type_schema(type_of(parameter.type), defined))
    doc = f"{parameter.doc} (The run supplies it.)".strip() if parameter.supplied else parameter.doc
    annotations: Schema = {"description": shortened(doc, _LONGEST_DOC)} if doc else {}
    default = _as_json(parameter.default)
    if parameter.default is not REQUIRED and default is not None:
        annotations["default"] = default
    # Beside a $ref everything else is ignored.
    return {"allOf": [schema], **annotations} if annotations and "$ref" in schema else {**schema, **annotations}


def or_reference(schema: Schema) -> Schema:
    """The schema, or ``${a.b}`` in the value's place."""
    kinds = schema.get("type")
    if kinds is None:
        if not schema or "$ref" in schema:  # anything at all, or a component, which may be a reference already
            return schema
        return {"anyOf": [*(schema["anyOf"] if set(schema) == {"anyOf"} else [schema]), _REFERENCE_SCHEMA]}
    listed = kinds if isinstance(kinds, list) else [kinds]
    if "string" in listed:
        return schema
    limits = {key: value for key, value in schema.items() if key != "type"}
    shared = ".or.".join(listed)
    if shared not in SHARED:
        return {**limits, **_with_reference(listed)}
    reference = {"$ref": f"#/definitions/{shared}"}
    return {"allOf": [reference], **limits} if limits else reference


def shortened(text: str, most: int) -> str:
    """The text, cut where it is longer than so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def type_schema(wanted: Type, defined: Defined, inside: bool = False) -> Schema:
    """What a recipe may write for a type, references aside."""
    if wanted.form in ("component", "settings"):
        return defined(wanted, inside)
    if wanted.form == "choice":
        return {"enum": list(wanted.choices)}
    if wanted.form == "union":
        return _union([type_schema(member, defined, inside) for member in wanted.members])
    items = [or_reference(type_schema(member, defined, inside or wanted.form == "list")) for member in wanted.members]
    if wanted.form == "list":
        if wanted.fixed:
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", **({"items": items[0]} if items else {})}
    if wanted.form == "mapping":
        return {"type": "object", **({"additionalProperties": items[0]} if items else {})}
    schema = dict(_SCALARS.get(wanted.form, {}))
    for limits in wanted.ranges:
        bounds = {"minimum": limits.least, "maximum": limits.most, "exclusiveMinimum": limits.above}
        schema |= {word: bound for word, bound in bounds.items() if bound is not None}
    return schema


def _union(members: list[Schema]) -> Schema:
    """One schema of several types where they do not mix, else alternatives."""
    if not all(members):
        return {}  # one of them takes anything
    distinct = list({json.dumps(member, sort_keys=True): member for member in members}.values())
    if len(distinct) == 1:
        return distinct[0]
    if sum("items" in member or "additionalProperties" in member for member in distinct) <= 1 and all(
        isinstance(member.get("type"), str) for member in distinct
    ):
        words = [member["type"] for member in distinct]
        numbers = [member for member in distinct if member["type"] in ("integer", "number") and len(member) > 1]
        if len(set(words)) == len(words) and not (numbers and {"integer", "number"} <= set(words)):
            merged = {key: value for member in distinct for key, value in member.items()}
            return {**merged, "type": words}
    return {"anyOf": distinct}


def _as_json(value: Any) -> Any:
    """A default as JSON; None for what JSON cannot say, and for source text that only the library can evaluate."""
    if isinstance(value, Unread) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, (bool, int, float, str)) else None
