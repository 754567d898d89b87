"""``schema``: the JSON schema of recipes, written for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import files
from ..catalog.kinds import KINDS
from ..catalog.registry import Registry
from ..errors import InputError, did_you_mean
from ..recipe.schema import recipe_schema


def schema_text(*, zoos: bool = False, distributions: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The schema as JSON, a definition a line, and what is broken and therefore not described.

    Args:
        zoos: list every name of the large zoos.
        distributions: only what these offer; all installed ones when empty.

    Raises:
        InputError: a distribution is not installed, or offers no component.
    """
    schema, broken = recipe_schema(_registry(distributions), zoos=zoos)
    definitions = schema.pop("definitions")
    head = "".join(f" {_json(key)}: {_json(value)},\n" for key, value in schema.items())
    body = ",\n".join(f"  {_json(key)}: {_json(value)}" for key, value in definitions.items())
    return f'{{\n{head} "definitions": {{\n{body}\n }}\n}}\n', broken


def write_schema(out: Path, *, zoos: bool = False, distributions: Sequence[str] = ()) -> list[str]:
    """Write the schema into a file; see ``schema_text``."""
    text, broken = schema_text(zoos=zoos, distributions=distributions)
    if out.is_dir():
        raise InputError.of("--out", f"{str(out)!r} is a folder", f"name a file in it: {out / 'schema.json'}")
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(out, text)
    return broken


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _registry(distributions: Sequence[str]) -> Registry:
    if not distributions:
        return Registry()
    groups = {kind.group for kind in KINDS.values()}
    offered = {component.distribution for component in Registry().components()}
    entries = []
    for name in distributions:
        if name not in offered:
            hint = did_you_mean(name, offered, f"those that do: {', '.join(sorted(offered))}")
            raise InputError.of("--of", f"no distribution {name!r} offers components", hint)
        entries += [each for each in metadata.distribution(name).entry_points if each.group in groups]
    return Registry(entries)
