"""What each evaluated image adds to the comparison of two runs that scored the same images."""

from __future__ import annotations

import csv
import random
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import InputError

#: Where ``evaluate`` writes by default, and where the report ``confusion_matrix`` does.
_FILES: Final = ("evaluation/val/per_image.csv", "figures/confusion_matrix/per_image.csv")
#: The column that scores an image, and what its mean is called.
_SCORES: Final = {"right": "accuracy", "miou": "mean IoU of an image"}
#: Resamples of the bootstrap.
_ROUNDS: Final = 2000


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of ``per_image.csv`` of ``evaluate``, else of the report ``confusion_matrix``; none without."""
    found = next((run / name for name in _FILES if (run / name).is_file()), None)
    return [] if found is None else _read(found)


def paired(one: Path, other: Path, seed: int = 0) -> dict[str, Any] | None:
    """How much better the other run scores the same images: a paired bootstrap (Efron and Tibshirani, 1993).

    The interval holds what other images of the same kind could give; what another seed could give is not in it.

    Args:
        one, other: run folders.
        seed: of the resampling.

    Returns:
        ``score``, ``images``, ``difference`` (other minus one) and its 95 % interval ``low``, ``high``; None unless
        both runs have scores of the same images, of ``evaluate`` both or of the training both.

    Raises:
        InputError: a table of them is damaged.
    """
    for name in _FILES:
        if (one / name).is_file() and (other / name).is_file():
            (score, first), (same, second) = _scores(one / name), _scores(other / name)
            if score and score == same and first and first.keys() == second.keys():
                return {"score": score, "images": len(first), **_interval(first, second, seed)}
    return None


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _scores(path: Path) -> tuple[str, dict[str, float]]:
    """What is scored, and the score of each image by name; an image without one is left out."""
    try:
        table = _read(path)
        column = next((name for name in _SCORES if table and name in table[0]), None)
        if column is None:
            return "", {}
        return _SCORES[column], {row["name"]: float(row[column]) for row in table if row[column]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "write it anew with 'hw1cli evaluate RUN --force', or delete it"
        raise InputError.of(str(path), f"cannot be read: {error}", hint) from error


def _interval(first: Mapping[str, float], second: Mapping[str, float], seed: int) -> dict[str, float]:
    differences = [second[name] - first[name] for name in sorted(first)]
    generator = random.Random(seed)
    means = sorted(statistics.fmean(generator.choices(differences, k=len(differences))) for _ in range(_ROUNDS))
    low, high = means[int(0.025 * _ROUNDS)], means[int(0.975 * _ROUNDS) - 1]
    return {"difference": statistics.fmean(differences), "low": low, "high": high}
