"""Shared by the tests of evaluation: the command in this process, and IoU taken literally."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from click.testing import CliRunner
from rich.console import Console

import hw1cli as command_line

QUIET = Console(quiet=True)


def call(*words: Any) -> SimpleNamespace:
    result = CliRunner().invoke(command_line.main, [str(word) for word in words])
    return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)


def by_hand(truth: np.ndarray, predicted: np.ndarray, ignored: int | None, count_against: bool) -> dict[int, float]:
    """IoU of each class but the ignored one, pixel sets taken literally."""
    ious = {}
    for label in set(np.unique(truth)) | set(np.unique(predicted)):
        if label == ignored:
            continue
        counted = (predicted == label) & (count_against | (truth != ignored))
        either = (counted | (truth == label)).sum()
        if either:
            ious[int(label)] = (counted & (truth == label)).sum() / either
    return ious
