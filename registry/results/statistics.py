"""Scores of settings compared: means, standard errors, and which differences are larger than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Seeds that both settings need before a difference is marked: two may agree by chance.
LEAST_SEEDS: Final = 3
#: Standard errors within which 95 % of the differences by chance are, where the error is known exactly.
_NORMAL: Final = 1.96
#: The same by Student's t, where the error is estimated with 1, 2, ... 30 degrees of freedom.
_STUDENT: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
#: Beginnings of the names of scores that are shares of images, each right or wrong: these have a binomial error.
_SHARES: Final = ("accuracy", "knn", "top")


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
    def seed_error(self) -> float | None:
        """Standard error of the mean over the seeds; None for a single seed."""
        if len(self.results) < 2:
            return None
        return statistics.stdev(result.score for result in self.results) / math.sqrt(len(self.results))

    @property
    def image_error(self) -> float | None:
        """Binomial standard error sqrt(p (1 - p) / n) of a share p of n images; None for other scores.

        All seeds are evaluated on the same images, so that more seeds do not lower it.
        """
        images = min(result.images for result in self.results)
        if not self.monitor.startswith(_SHARES) or not images or not 0 <= self.mean <= 1:
            return None
        return math.sqrt(self.mean * (1 - self.mean) / images)


def compare(settings: Sequence[Setting]) -> dict[str, Any]:
    """Means with standard errors, and the difference of each pair.

    Returns:
        ``settings`` (name, mean, standard_error: the larger one of seeds and images, error_from: ``seeds`` or
        ``images``, runs) and ``differences`` (one, other, difference, standard_error, more_than_noise: None where a
        standard error is unknown or a setting has fewer than three seeds). A difference is more than noise where it
        is beyond Student's t times the error over seeds and beyond 1.96 times the error over images, both 95 %. Errors
        are taken as independent; runs on the same images are a little more alike, which makes the test careful.
    """
    pairs = [(one, other) for index, one in enumerate(settings) for other in settings[index + 1 :]]
    return {"settings": [_row(each) for each in settings], "differences": [_difference(*pair) for pair in pairs]}


def _row(setting: Setting) -> dict[str, Any]:
    errors = {"seeds": setting.seed_error, "images": setting.image_error}
    known = {name: error for name, error in errors.items() if error is not None}
    source = max(known, key=lambda name: known[name], default=None)
    return {
        "name": setting.name,
        "mean": setting.mean,
        "standard_error": None if source is None else known[source],
        "error_from": source,
        "runs": [vars(result) for result in setting.results],
    }


def _difference(one: Setting, other: Setting) -> dict[str, Any]:
    difference = other.mean - one.mean
    over_seeds, over_images = _joined(one.seed_error, other.seed_error), _joined(one.image_error, other.image_error)
    known = [error for error in (over_seeds, over_images) if error is not None]
    marked = None
    # Scores that are the same for every seed do not show how much chance changes them.
    if min(len(one.results), len(other.results)) >= LEAST_SEEDS and over_seeds is not None and max(known) > 0:
        noise = max(student_t(_degrees(one, other)) * over_seeds, _NORMAL * (over_images or 0))
        marked = abs(difference) > noise
    return {
        "one": one.name,
        "other": other.name,
        "difference": difference,
        "standard_error": max(known, default=None),
        "more_than_noise": marked,
    }


def _joined(one: float | None, other: float | None) -> float | None:
    """Standard error of a difference."""
    return None if one is None or other is None else math.hypot(one, other)


def _degrees(one: Setting, other: Setting) -> float:
    """Degrees of freedom of a difference between means of unequal variance (Welch, 1947)."""
    parts = [((setting.seed_error or 0.0) ** 2, len(setting.results) - 1) for setting in (one, other)]
    below = sum(variance**2 / degrees for variance, degrees in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below else math.inf


def student_t(degrees: float) -> float:
    """The 97.5 % quantile of Student's t distribution, by which 95 % of chance lies on both sides.

    Args:
        degrees: of freedom, at least 1; rounded down, which makes the quantile larger.
    """
    if degrees < len(_STUDENT) + 1:
        return _STUDENT[int(degrees) - 1]
    return _NORMAL + (_NORMAL**3 + _NORMAL) / (4 * degrees)  # the first term of its expansion: within 0.003
