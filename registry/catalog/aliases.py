"""Other names of components: spellings people know, and old names on their way out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Alias:
    """Another name of a component.

    Args:
        kind: plural kind.
        name: the other name.
        means: the name that is registered.
        deprecated: since which version it is on its way out; None for a lasting alias.
    """

    kind: str
    name: str
    means: str
    deprecated: str | None = None


#: The whole table.
ALIASES: Final = (
    Alias("losses", "ce", "cross_entropy"),
    Alias("losses", "focal_loss", "focal"),
    Alias("models", "smp/deeplabv3+", "smp/deeplabv3plus"),
    Alias("models", "smp/unet++", "smp/unetplusplus"),
    Alias("schedules", "cosine_annealing", "cosine"),
)

_warned: set[Alias] = set()


def resolve(kind: str, name: str) -> str:
    """The registered name behind ``name``; warns once for each deprecated one."""
    for alias in ALIASES:
        if (alias.kind, alias.name) == (kind, name):
            if alias.deprecated and alias not in _warned:
                _warned.add(alias)
                warnings.warn(
                    f"{kind}: {name!r} is deprecated since {alias.deprecated}: write {alias.means!r}",
                    FutureWarning,  # Python shows it to users; a DeprecationWarning it keeps to itself
                    stacklevel=3,
                )
            return alias.means
    return name
