"""The checks of a plugin, for its author's tests: the public door of ``registry.contracts``."""

from __future__ import annotations

from .contracts.runner import checks
from .contracts.violations import Check, ContractViolation, Inconclusive

__all__ = ["Check", "ContractViolation", "Inconclusive", "checks"]
