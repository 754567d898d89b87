"""Settings of a study held against one another: means, standard errors, and which differences are more than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Standard errors beyond which a difference counts as more than noise: 95 % of chance differences are smaller.
NOTABLE: Final = 1.96
#: Scores that are shares of images, each right or wrong: for these one run has a standard error.
_SHARES = ("accuracy", "knn", "top")


@dataclass(frozen=True)
class Result:
    """One run's score.

    Args:
        run: its name.
        score: of its best epoch.
        images: evaluation images.
        seed: of the run.
    """

    run: str
    score: float
    images: int
    seed: int


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their seed alone."""

    name: str
    monitor: str
    results: tuple[Result, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(result.score for result in self.results)

    @property
    def standard_error(self) -> float | None:
        """Of the mean over seeds; of one run the binomial one, sqrt(p (1 - p) / n); None where neither is known."""
        if len(self.results) > 1:
            return statistics.stdev(result.score for result in self.results) / math.sqrt(len(self.results))
        only = self.results[0]
        if not self.monitor.startswith(_SHARES) or not only.images or not 0 <= only.score <= 1:
            return None
        return math.sqrt(only.score * (1 - only.score) / only.images)


def compare(settings: Sequence[Setting]) -> dict[str, Any]:
    """Means with standard errors, and each pair's difference.

    Returns:
        ``settings`` (name, mean, standard_error, error_from ``seeds`` or ``images``, runs) and ``differences`` (one,
        other, difference, standard_error, more_than_noise: None where a standard error is unknown). Errors are taken as
        independent; runs on the same images are a little more alike, so that the test errs on the careful side.
    """
    rows = [
        {
            "name": setting.name,
            "mean": setting.mean,
            "standard_error": setting.standard_error,
            "error_from": None if setting.standard_error is None else "seeds" if len(setting.results) > 1 else "images",
            "runs": [vars(result) for result in setting.results],
        }
        for setting in settings
    ]
    pairs = [(one, other) for index, one in enumerate(settings) for other in settings[index + 1 :]]
    return {"settings": rows, "differences": [_difference(one, other) for one, other in pairs]}


def _difference(one: Setting, other: Setting) -> dict[str, Any]:
    difference = other.mean - one.mean
    errors = (one.standard_error, other.standard_error)
    error = None if None in errors else math.hypot(*(e for e in errors if e is not None))
    return {
        "one": one.name,
        "other": other.name,
        "difference": difference,
        "standard_error": error,
        "more_than_noise": None if error is None else abs(difference) > NOTABLE * error,
    }
