"""Which names mean which component, and which distributions may offer any: the user's choice, and the plugin API."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: (major, minor) of what a plugin may rely on: the names in ``registry`` and ``registry.engine``, the kinds, the facts.
#: The minor number rises with every addition, the major one when something that plugins use goes or changes.
API_VERSION: Final = (1, 0)

#: Entry points of this group declare by their names, such as ``1.0``, the versions that a plugin was written for.
#:
#: An entry point can be read without importing the plugin, together with all the others, and installers leave it alone.
#: A requirement such as ``hw1cli>=0.2`` names a release instead of the API, is not looked at by ``pip --no-deps``, and
#: where it is, stops an installation rather than one component.
API_GROUP: Final = "hw1cli.api"

#: The framework's own distribution, whose components are always there.
OWN: Final = "hw1cli"

ALLOW: Final = "HW1CLI_PLUGINS_ALLOW"
DENY: Final = "HW1CLI_PLUGINS_DENY"
SWITCH: Final = "HW1CLI_PLUGINS"

#: Other spellings that people know, by kind: spelling -> registered name.
ALIASES: Final[dict[str, dict[str, str]]] = {
    "losses": {"ce": "cross_entropy", "focal_loss": "focal"},
    "models": {"smp/deeplabv3+": "smp/deeplabv3plus", "smp/unet++": "smp/unetplusplus"},
    "schedules": {"cosine_annealing": "cosine"},
}


def resolve(kind: str, name: str) -> str:
    """The registered name that ``name`` stands for: itself, where it is not an alias."""
    return ALIASES.get(kind, {}).get(name, name)


def aliases_of(kind: str, name: str) -> list[str]:
    """Other spellings of a registered name."""
    return [alias for alias, registered in ALIASES.get(kind, {}).items() if registered == name]


@dataclass(frozen=True)
class Refusal:
    """Why a distribution's components are not offered.

    Args:
        blocked: whether the user's environment blocks it; else the plugin needs another version of hw1cli.
        reason: follows the distribution's name: "is blocked by ...", "needs ...".
        hint: what the user can do.
    """

    blocked: bool
    reason: str
    hint: str


def refusal(distribution: str, declared: Iterable[str]) -> Refusal | None:
    """Why the distribution may not offer components; None where it may.

    Args:
        distribution: its name.
        declared: the API versions that it declares; none is taken as any.
    """
    if normalized(distribution) == OWN:
        return None
    if os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "no", "false"):
        return Refusal(True, f"is blocked by {SWITCH}={os.environ[SWITCH]}", f"unset {SWITCH} to use other plugins")
    denied, allowed = (
        [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()] for variable in (DENY, ALLOW)
    )
    for pattern in denied:
        if _fits(distribution, pattern):
            return Refusal(True, f"is blocked by {DENY}={os.environ[DENY]}", f"take {pattern} out of {DENY} to use it")
    if allowed and not any(_fits(distribution, pattern) for pattern in allowed):
        return Refusal(True, f"is not in {ALLOW}={os.environ[ALLOW]}", f"add {distribution} to {ALLOW} to use it")
    versions = [version for text in declared if (version := version_of(text))]
    if not versions or any(major == API_VERSION[0] and minor <= API_VERSION[1] for major, minor in versions):
        return None
    wanted, present = " or ".join(shown(version) for version in versions), shown(API_VERSION)
    newer = min(versions) > API_VERSION
    hint = "update hw1cli, or install an older release of it" if newer else "install a newer release of it"
    return Refusal(False, f"is written for plugin API {wanted}, and this hw1cli has {present}", hint)


def _fits(distribution: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(normalized(distribution), normalized(pattern))


def normalized(distribution: str) -> str:
    """The name as installers compare it (PEP 503): lower case, runs of ``-_.`` are one ``-``."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def version_of(text: str) -> tuple[int, int] | None:
    """(major, minor) of ``1.2`` or ``1``; None where the text is not a version."""
    match = re.fullmatch(r"v?(\d+)(?:\.(\d+))?", text.strip())
    return (int(match[1]), int(match[2] or 0)) if match else None


def shown(version: tuple[int, int]) -> str:
    """``1.0``."""
    return f"{version[0]}.{version[1]}"
