"""``plugin check``: the checks of ``registry.testing``, all of them, with what each found."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..contracts.runner import checks, require
from ..contracts.violations import Check, ContractViolation, Inconclusive
from ..errors import raised_at


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        subject: what was asked: the distribution, a module, or ``kind/name``.
        check: what was asked of it.
        outcome: passed, failed, or skipped where nothing can be said.
        what, why, instead: of a failure; ``what`` is the reason of a skip, or the warnings of a check that passed.
    """

    subject: str
    check: str
    outcome: Literal["passed", "failed", "skipped"]
    what: str = ""
    why: str = ""
    instead: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_plugin(distribution: str, *, run: bool, only: str = "*") -> Iterator[Finding]:
    """Ask everything, one finding a check, as they come.

    Raises:
        InputError: no such distribution is installed.
    """
    name = require(distribution).name
    for check in checks(name, run=run, only=only):
        yield _asked(check)


def _asked(check: Check) -> Finding:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            # Building warns once of what is second best; the other checks build the same again.
            warnings.simplefilter("always" if check.name == "builds" else "ignore", UserWarning)
            check()
    except ContractViolation as error:
        return Finding(check.subject, check.name, "failed", error.what, error.why, error.instead)
    except Inconclusive as reason:
        return Finding(check.subject, check.name, "skipped", str(reason))
    except Exception as error:  # the checks themselves must survive whatever a plugin does
        what = f"{type(error).__name__}: {error} ({raised_at(error)})"
        return Finding(
            check.subject, check.name, "failed", what, "the check itself could not go on", "--debug shows where"
        )
    return Finding(check.subject, check.name, "passed", "; ".join(dict.fromkeys(str(each.message) for each in caught)))
