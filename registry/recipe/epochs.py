"""Epochs named in a reader's words: ``first``, ``middle``, ``last``, a number, a per cent, ``every N``."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: How a recipe may say when.
Moment = int | str


def epochs_at(moments: Iterable[Moment], epochs: int) -> list[int]:
    """The epochs meant, ascending, each once.

    Args:
        moments: ``first``, ``middle`` (the epoch at half of the run, rounded up), ``last``, 1-based epoch numbers
            (those beyond the end mean the last), ``"50%"``, ``"every 10"``.
        epochs: length of the run.

    Raises:
        ValueError: a moment cannot be read.
    """
    return sorted({min(epoch, epochs) for moment in moments for epoch in _epochs(moment, epochs)})


def _epochs(moment: Moment, epochs: int) -> list[int]:
    words = {"first": 1, "middle": (epochs + 1) // 2, "last": epochs}
    if isinstance(moment, int) and not isinstance(moment, bool) and moment >= 1:
        return [moment]
    if isinstance(moment, str):
        if moment in words:
            return [words[moment]]
        if percent := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", moment):
            share = float(percent[1])
            if share <= 100:
                return [max(1, round(epochs * share / 100))]
        if every := re.fullmatch(r"every\s+(\d+)", moment):
            stride = int(every[1])
            if stride >= 1:
                return [*range(stride, epochs + 1, stride), epochs]
    raise ValueError(f"{moment!r} names no epoch")
