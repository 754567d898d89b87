"""timm's model names, the tags of their weights and what its tables tell of these, without importing timm.

Importing timm takes seconds; see ``tables`` for how its source is read instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from registry import files, introspect

from .tables import Weights, has_weights, read

#: Changes with what is kept of the tables, so that an older hw1cli's cache is not taken for this one's.
_CACHE: Final = "timm-tables"


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Weights]]:
    folder = introspect.locate("timm.models")
    if folder is None:
        raise ModuleNotFoundError("timm is not installed", name="timm")
    found: dict[str, dict[str, Weights]] = files.for_version(_CACHE, "timm", lambda: read(folder.parent))
    return found


def weights_by_tag() -> dict[str, dict[str, Weights]]:
    """Every timm architecture with the tags of its pretrained weights, the default one first; '' is no tag.

    Raises:
        ModuleNotFoundError: timm is not installed.
    """
    return {
        name: {tag: weights for tag, weights in tags.items() if has_weights(weights)}
        for name, tags in _tables().items()
    }


def weights_of(name: str) -> tuple[str, Weights]:
    """The full name of a model's weights and what timm's tables tell of them.

    Args:
        name: ``architecture.tag``, or an architecture alone, which means its default tag. One that has no pretrained
            weights is described too, with the images that it expects.

    Raises:
        ModuleNotFoundError: timm is not installed.
    """
    architecture, _, tag = name.partition(".")
    tags = _tables().get(architecture, {})
    tag = tag or next(iter(tags), "")
    return (f"{architecture}.{tag}" if tag else architecture), tags.get(tag, {})


def tags_by_architecture() -> dict[str, list[str]]:
    """Every timm architecture with the tags of its pretrained weights, the default one first."""
    return {name: list(tags) for name, tags in weights_by_tag().items()}


def names() -> list[str]:
    """Every architecture, and every ``architecture.tag`` that has weights."""
    return [
        name
        for architecture, tags in tags_by_architecture().items()
        for name in (architecture, *(f"{architecture}.{tag}" for tag in tags if tag))
    ]


def holds(name: str) -> bool:
    """Whether a name is among ``names``. An architecture is found by a glance at timm's text, tags need its tables."""
    return name in _architectures() or ("." in name and name in names())


@lru_cache(maxsize=1)
def _architectures() -> frozenset[str]:
    folder = introspect.locate("timm.models")
    files = folder.parent.glob("*.py") if folder is not None else ()
    marked = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)
    return frozenset(name for path in files for name in marked.findall(path.read_text(encoding="utf-8")))
