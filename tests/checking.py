"""Shared by the tests of plugins' checks: what failed of a distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.testing import ContractViolation, Inconclusive, checks


def failures(
    distribution: str, by: Callable[[Any], str] = lambda check: check.name, **options: object
) -> dict[str, str]:
    """Check -> its message, of those that failed; ``by`` gives a check's key."""
    found = {}
    for check in checks(distribution, **options):  # type: ignore[arg-type]
        try:
            check()
        except ContractViolation as error:
            found[by(check)] = str(error)
        except Inconclusive:
            pass
    return found
