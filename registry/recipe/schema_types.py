"""A parameter's type as a JSON schema (draft-07, which editors' YAML servers know best)."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..catalog.introspect import Unread
from ..catalog.kinds import Range, Uses
from ..catalog.spec import REQUIRED, Parameter, annotations_of, bare

Schema = dict[str, Any]
#: The schema of a component of a kind, for parameters that take one: (kind, inside a list) -> schema.
OfComponent = Callable[[str, bool], Schema]

#: ``${a.b}`` may stand for any value.
REFERENCE: Final = r"\$\{.+\}"
#: The same as a schema of its own, in the definitions.
_REFERRED: Final[Schema] = {"$ref": "#/definitions/reference"}

_PLAIN: Final[dict[Any, Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Path: {"type": "string", "minLength": 1},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    type(None): {"type": "null"},
    None: {"type": "null"},
}


def parameter_schema(parameter: Parameter, component: OfComponent) -> Schema:
    """The schema of one parameter, with its doc and its default."""
    schema = value_schema(parameter.type, component)
    doc = f"{parameter.doc} (The run supplies it.)".strip() if parameter.supplied else parameter.doc
    told: Schema = {"description": doc} if doc else {}
    default = _as_json(parameter.default)
    if parameter.default is not REQUIRED and default is not None:
        told["default"] = default
    # Beside a $ref everything else is ignored.
    return {"allOf": [schema], **told} if told and "$ref" in schema else {**schema, **told}


def value_schema(annotation: Any, component: OfComponent) -> Schema:
    """What a recipe may write for a type: the value itself, or a reference to another one."""
    return or_reference(_schema(annotation, component, False))


def or_reference(schema: Schema) -> Schema:
    """The schema, or ``${a.b}`` in the value's place."""
    kinds = schema.get("type")
    if kinds is None:
        if not schema or "$ref" in schema:  # anything at all, or a component, which may be a reference already
            return schema
        return {"anyOf": [*(schema["anyOf"] if set(schema) == {"anyOf"} else [schema]), _REFERRED]}
    listed = kinds if isinstance(kinds, list) else [kinds]
    if "string" in listed:
        return schema
    # A pattern asks nothing of what is no text, so one schema says both, and editors show one message.
    wanted = f"{' or '.join(listed)} is wanted, or ${{path.to.value}}"
    return {**schema, "type": [*listed, "string"], "pattern": REFERENCE, "patternErrorMessage": wanted}


def _schema(annotation: Any, component: OfComponent, inside: bool) -> Schema:
    for mark in annotations_of(annotation):
        if isinstance(mark, Uses):
            return component(mark.kind, inside)
    plain = bare(annotation)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _union([_schema(argument, component, inside) for argument in arguments])
    if origin is tuple and arguments[-1:] != (...,):
        items = [or_reference(_schema(argument, component, True)) for argument in arguments]
        return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (list, tuple):
        return {"type": "array", "items": or_reference(_schema(arguments[0], component, True))}
    if origin is dict:
        return {"type": "object", "additionalProperties": or_reference(_schema(arguments[1], component, inside))}
    schema = dict(_PLAIN.get(plain, {}))
    for mark in annotations_of(annotation):
        if isinstance(mark, Range):
            bounds = {"minimum": mark.least, "maximum": mark.most, "exclusiveMinimum": mark.above}
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
    if isinstance(value, Unread):
        return None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return value if isinstance(value, (bool, int, float, str)) else None
