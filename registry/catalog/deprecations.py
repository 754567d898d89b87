"""Names that plugins import and that are on their way out: they go on working for a while, and say once what to write.

How something public goes: give its replacement a name, enter the old one here, raise the minor ``API_VERSION`` and
record the surface (tests/test_compatibility.py tells how). With the next major version the entry goes as well.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final


@dataclass(frozen=True)
class Moved:
    """An old name of something public.

    Args:
        means: ``module:name`` of what it is now.
        since: the API version with which it was deprecated.
    """

    means: str
    since: str


#: Old name -> what it means, of each public module.
MOVED: Final[dict[str, dict[str, Moved]]] = {"registry": {}, "registry.engine": {}}

_warned: set[tuple[str, str]] = set()


def moved(module: str, name: str) -> Any:
    """What an old name of a module means now; warns once in a process.

    Raises:
        AttributeError: it is no old name either.
    """
    found = MOVED.get(module, {}).get(name)
    if found is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, new = found.means.partition(":")
    if (module, name) not in _warned:
        _warned.add((module, name))
        text = f"{module}.{name} is deprecated since plugin API {found.since}: import {new} from {home}"
        warnings.warn(text, FutureWarning, stacklevel=3)
    return getattr(import_module(home), new)
