"""Scores of settings compared: means, standard errors, and which differences are larger than noise."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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


class Result(NamedTuple):
    """One run's score.

    Attributes:
        run: its name.
        score: of its best epoch.
        images: evaluation images.
        seed: of the run.
        fold: that it is evaluated on; None where all runs are evaluated on the same images.
    """

    run: str
    score: float
    images: int
    seed: int
    fold: int | None = None


class Setting(NamedTuple):
    """Runs that differ in their seed, or in the fold that they hold out, alone."""

    name: str
    monitor: str
    results: tuple[Result, ...]

    @property
    def mean(self) -> float:
        """Of the scores."""
        return statistics.fmean(result.score for result in self.results)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the scores; None for a single one."""
        return statistics.stdev(result.score for result in self.results) if len(self.results) > 1 else None

    @property
    def images(self) -> int:
        """Different images that the runs are evaluated on: those of all folds, and the same for every seed."""
        folds = {result.fold: min(r.images for r in self.results if r.fold == result.fold) for result in self.results}
        return sum(folds.values())

    @property
    def errors(self) -> dict[str, float | None]:
        """Standard errors of the mean: over the ``seeds`` (and folds), None for a single run, and over the ``images``.

        The latter is the binomial sqrt(p (1 - p) / n) of a share p of n images, None for other scores. All seeds are
        evaluated on the same images, so that more seeds do not lower it.
        """
        spread, images = self.spread, self.images
        share = self.monitor.startswith(_SHARES) and images and 0 <= self.mean <= 1
        return {
            "seeds": None if spread is None else spread / math.sqrt(len(self.results)),
            "images": math.sqrt(self.mean * (1 - self.mean) / images) if share else None,
        }


def compare(settings: Sequence[Setting]) -> dict[str, Any]:
    """Means with standard errors, and the difference of each pair.

    Returns:
        ``settings`` (name, mean, spread: the standard deviation, standard_error: the larger one of seeds and images,
        error_from: ``seeds``, ``folds`` or ``images``, runs) and ``differences`` (one, other, difference,
        standard_error, more_than_noise: None where a standard error is unknown or a setting has fewer than three
        runs). A difference is more than noise where it is beyond Student's t times the error over seeds and beyond
        1.96 times the error over images, both 95 %. Errors are taken as independent; runs on the same images are a
        little more alike, which makes the test careful, and those on folds share training images, which does not.
    """
    differences = [_difference(one, other) for one, other in itertools.combinations(settings, 2)]
    return {"settings": [_row(each) for each in settings], "differences": differences}


def beside_published(setting: Setting, published: float) -> dict[str, Any]:
    """The difference of a setting from a score that others report of one run, which has the noise of one run.

    Returns:
        ``difference`` of the mean, ``over_images`` and ``over_seeds`` (how large chance makes it in 95 % of cases; None
        where that is unknown, the latter with fewer than three seeds), and ``more_than_noise``: False within either of
        them, True beyond both or beyond the one over the seeds where the score has none over the images, else None.
    """
    difference, number = setting.mean - published, len(setting.results)
    own, over_images, over_seeds = setting.errors, None, None
    if own["images"] is not None:
        others = math.sqrt(max(published * (1 - published), 0) / setting.images)
        over_images = _NORMAL * math.hypot(own["images"], others)
    if own["seeds"] is not None and number >= LEAST_SEEDS:
        over_seeds = student_t(number - 1) * own["seeds"] * math.sqrt(number + 1)
    known = [noise for noise in (over_images, over_seeds) if noise is not None]
    within = any(abs(difference) <= noise for noise in known)
    unknown = over_seeds is None or max(known) == 0  # scores that no seed changes do not show what chance does
    marked = False if within else None if unknown else True
    return {
        "difference": difference,
        "over_images": over_images,
        "over_seeds": over_seeds,
        "more_than_noise": marked,
    }


def _row(setting: Setting) -> dict[str, Any]:
    known = [(error, source) for source, error in setting.errors.items() if error is not None]
    error, source = max(known, key=lambda each: each[0], default=(None, None))
    if source == "seeds" and any(result.fold is not None for result in setting.results):
        source = "folds"
    found = {"name": setting.name, "mean": setting.mean, "spread": setting.spread, "standard_error": error}
    return {**found, "error_from": source, "runs": [result._asdict() for result in setting.results]}


def _difference(one: Setting, other: Setting) -> dict[str, Any]:
    difference = other.mean - one.mean
    joined: dict[str, float | None] = {}
    for source, error in one.errors.items():
        others = other.errors[source]
        joined[source] = None if error is None or others is None else math.hypot(error, others)
    over_seeds, known = joined["seeds"], [error for error in joined.values() if error is not None]
    marked = None
    # Scores that are the same for every seed do not show how much chance changes them.
    if min(len(one.results), len(other.results)) >= LEAST_SEEDS and over_seeds is not None and max(known) > 0:
        noise = max(student_t(_degrees(one, other)) * over_seeds, _NORMAL * (joined["images"] or 0))
        marked = abs(difference) > noise
    return {
        "one": one.name,
        "other": other.name,
        "difference": difference,
        "standard_error": max(known, default=None),
        "more_than_noise": marked,
    }


def _degrees(one: Setting, other: Setting) -> float:
    """Degrees of freedom of a difference between means of unequal variance (Welch, 1947)."""
    parts = [((setting.errors["seeds"] or 0.0) ** 2, len(setting.results) - 1) for setting in (one, other)]
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
