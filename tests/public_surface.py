"""What plugins may rely on, as text: every public name with its signature.

``python tests/public_surface.py`` records it in public_surface.txt, and says what that means for ``API_VERSION``.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("public_surface.txt")


def surface() -> list[str]:
    """One line for each public name, and for each public method of a public class."""
    import registry
    import registry.engine
    from registry import testing
    from registry.catalog.kinds import FACTS

    lines = [f"API {'.'.join(map(str, registry.API_VERSION))}"]
    lines += [f"kind {kind.group}" for kind in registry.KINDS.values()]
    lines += [f"fact {name}" for name in FACTS]
    for module in (registry, registry.engine, testing):
        for name in sorted(module.__all__):
            lines += _described(f"{module.__name__}.{name}", getattr(module, name))
    return lines


def _described(name: str, thing: Any) -> Iterator[str]:
    if isinstance(thing, types.ModuleType):
        for inner, function in sorted(vars(thing).items()):
            if inspect.isfunction(function) and not inner.startswith("_") and function.__module__ == thing.__name__:
                yield f"{name}.{inner}{_signature(function)}"
    elif inspect.isclass(thing):
        yield f"class {name}{_signature(thing)}"
        for inner, member in sorted(vars(thing).items()):
            if inner.startswith("_"):
                continue
            function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            yield f"    {name}.{inner}{_signature(function) if inspect.isfunction(function) else ''}"
    elif callable(thing) and not hasattr(thing, "__metadata__"):
        yield f"{name}{_signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}" if isinstance(thing, (dict, tuple, frozenset)) else f"{name} = {thing}"


def _signature(thing: Any) -> str:
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    return re.sub(r" at 0x[0-9a-f]+", "", str(found))


if __name__ == "__main__":
    before = RECORD.read_text(encoding="utf-8").splitlines() if RECORD.exists() else []
    now = surface()
    gone = [line for line in before if line not in now and not line.startswith("API ")]
    come = [line for line in now if line not in before and not line.startswith("API ")]
    RECORD.write_text("\n".join(now) + "\n", encoding="utf-8")
    print(f"{len(come)} lines added, {len(gone)} gone")
    if gone:
        print("something that plugins use is gone: raise the major API_VERSION in registry/catalog/policy.py")
    elif come:
        print("something was added: raise the minor API_VERSION in registry/catalog/policy.py")
