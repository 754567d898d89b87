"""Where a component's code comes from: enough to decide whether the same code would compute a run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from typing import Any

from .components import Component
from .introspect import locate
from .kinds import KINDS


def of(component: Component) -> dict[str, Any]:
    """``entry_point``, ``origin`` (see ``origin_of``), and ``source`` for an installation that can change unnoticed."""
    origin = origin_of(component.distribution)
    return {
        "entry_point": f"{KINDS[component.kind].group}: {component.entry_point.name}",
        "origin": origin,
        # Installed from an index or an archive, a version identifies the code.
        "source": source_hash(component.target) if origin is not None and origin["editable"] else None,
    }


@lru_cache(maxsize=256)
def origin_of(distribution: str) -> dict[str, Any] | None:
    """``url``, ``commit`` and ``editable`` of an installation that is not from a package index (PEP 610), else None."""
    try:
        recorded = json.loads(metadata.distribution(distribution).read_text("direct_url.json") or "null")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return None
    if not isinstance(recorded, Mapping):
        return None
    editable = bool(recorded.get("dir_info", {}).get("editable"))
    return {"url": recorded.get("url"), "commit": recorded.get("vcs_info", {}).get("commit_id"), "editable": editable}


def source_hash(target: str) -> str | None:
    """A hash of the Python files of the package that holds ``module:function``; None where there are none.

    Names and contents count, times do not.
    """
    path = locate(target.partition(":")[0])
    if path is None:
        return None
    alone = not (path.parent / "__init__.py").exists()
    files = [path] if alone else sorted(path.parent.rglob("*.py"))
    hasher = hashlib.blake2b(digest_size=16)
    for file in files:
        hasher.update(f"{file.relative_to(path.parent).as_posix()}\0".encode())
        hasher.update(hashlib.blake2b(file.read_bytes()).digest())
    return f"blake2b:{hasher.hexdigest()}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How the code differs by which two plans are computed, in sentences, a line a component.

    Args:
        old, new: what ``plan.json`` contains. Components of one name at one path are compared.
    """
    before = dict(components(old))
    lines: list[str] = []
    for path, now in components(new):
        if (then := before.get(path)) is not None and then["use"] == now["use"]:
            lines += [f"{path} ({now['use']}): {change}" for change in _changes(then, now)]
    return lines


def components(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The components that ``plan.json`` records: dotted path as in a recipe, and what is recorded of each."""
    if isinstance(value, Mapping):
        if "provenance" in value:
            yield path, value
        for key, item in value.items():
            below = path if key == "arguments" else f"{path}.{key}" if path else key
            yield from components(item, below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from components(item, f"{path}.{index}")


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = []
    if (old := f"{then['distribution']} {then['version']}") != (new := f"{now['distribution']} {now['version']}"):
        changes.append(f"was {old}, is {new}")
    if then["target"] != now["target"]:
        changes.append(f"was {then['target']}, is {now['target']}")
    one, other = then["provenance"], now["provenance"]
    origins = [each["origin"] or {"url": "a package index", "commit": None, "editable": False} for each in (one, other)]
    old, new = (f"{each['url']}{' at ' + each['commit'] if each['commit'] else ''}" for each in origins)
    if old != new:
        changes.append(f"was installed from {old}, is from {new}")
    if origins[0]["editable"] != origins[1]["editable"]:
        changes.append("was installed editable, is not now" if origins[0]["editable"] else "is installed editable now")
    elif one["source"] != other["source"]:
        module = now["target"].partition(":")[0]
        changes.append(f"the Python files beside {module} have changed (editable installation)")
    return changes
