"""A check of a contract, and its two outcomes besides passing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from unittest import SkipTest


class ContractViolation(AssertionError):
    """A component breaks a contract.

    Args:
        what: what is wrong.
        why: why it matters.
        instead: what to write instead.
    """

    def __init__(self, what: str, why: str, instead: str) -> None:
        super().__init__(f"{what}\n  why it matters: {why}\n  instead: {instead}")
        self.what, self.why, self.instead = what, why, instead


class Inconclusive(SkipTest):
    """The check does not apply or cannot decide; pytest shows it as skipped, with the reason."""


@dataclass(frozen=True)
class Check:
    """One check of one subject.

    Args:
        subject: what is checked: the distribution, a module, or ``kind/name``.
        name: of the check.
        ask: carries it out.
    """

    subject: str
    name: str
    ask: Callable[[], None]

    def __call__(self) -> None:
        """Carry it out.

        Raises:
            ContractViolation: a contract is broken.
            Inconclusive: the check does not apply or cannot decide.
        """
        self.ask()

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"
