"""A small cache on disk for what was read out of a library's source, keyed by the library's version."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Where cached facts lie: ``$HW1CLI_CACHE``, else ``$XDG_CACHE_HOME/hw1cli``, else ``~/.cache/hw1cli``."""
    named = os.environ.get("HW1CLI_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hw1cli"


def recall(name: str) -> Any | None:
    """The JSON value stored under ``name``, or None."""
    try:
        return json.loads(_path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remember(name: str, value: Any) -> bool:
    """Store a JSON value under ``name``; whether it could be stored. A cache that cannot be written is no error."""
    path = _path(name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(temporary, path)
        return True
    return False


def for_version(name: str, distribution: str, read: Callable[[], Any]) -> Any:
    """``read()``, done once for each version of the distribution that it reads from.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution is not installed.
    """
    key = f"{name}-{metadata.version(distribution)}"
    value = recall(key)
    if value is None:
        value = read()
        remember(key, value)
    return value


def _path(name: str) -> Path:
    return folder() / (re.sub(r"[^\w.+-]", "_", name) + ".json")
