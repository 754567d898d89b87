"""Epochs by name: ``first``, ``middle``, ``last``, a number, a per cent, ``every N``."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: How a recipe names an epoch.
EpochName = int | str


def epochs_at(names: Iterable[EpochName], epochs: int) -> list[int]:
    """The epochs meant, ascending, each once.

    Args:
        names: ``first``, ``middle`` (the epoch at half of the run, rounded up), ``last``, 1-based epoch numbers
            (those beyond the end mean the last), ``"50%"``, ``"every 10"``.
        epochs: length of the run.

    Raises:
        ValueError: an epoch cannot be read.
    """
    return sorted({min(epoch, epochs) for name in names for epoch in _epochs(name, epochs)})


def _epochs(name: EpochName, epochs: int) -> list[int]:
    words = {"first": 1, "middle": (epochs + 1) // 2, "last": epochs}
    if isinstance(name, int) and not isinstance(name, bool) and name >= 1:
        return [name]
    if isinstance(name, str):
        if name in words:
            return [words[name]]
        if percent := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", name):
            share = float(percent[1])
            if share <= 100:
                return [max(1, round(epochs * share / 100))]
        if every := re.fullmatch(r"every\s+(\d+)", name):
            stride = int(every[1])
            if stride >= 1:
                return [*range(stride, epochs + 1, stride), epochs]
    raise ValueError(f"{name!r} is not an epoch")
