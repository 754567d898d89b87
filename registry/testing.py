"""The checks that a plugin must pass, for its author's tests: the public door of ``registry.contracts``."""

from __future__ import annotations

from .contracts.runner import Check, ContractViolation, Inconclusive, checks

__all__ = ["Check", "ContractViolation", "Inconclusive", "checks"]
