"""Standard errors of scores, and which differences are more than noise."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from registry.results.statistics import Result, Setting, beside_published, compare, student_t


def setting(name: str, *scores: float, monitor: str = "accuracy", images: int = 400) -> Setting:
    return Setting(name, monitor, tuple(Result(f"{name}{seed}", s, images, seed) for seed, s in enumerate(scores)))


def marked(one: Setting, other: Setting) -> bool | None:
    return compare([one, other])["differences"][0]["more_than_noise"]


@pytest.mark.parametrize("degrees", [1, 2, 3, 7.9, 30, 31, 50, 200, math.inf])
def test_quantiles_are_those_of_students_t(degrees: float) -> None:
    exact = stats.t.ppf(0.975, math.floor(degrees) if degrees <= 30 else degrees)
    assert student_t(degrees) == pytest.approx(exact, abs=0.004)


def test_the_standard_error_is_the_larger_one_of_seeds_and_images() -> None:
    settings = [setting("a", 0.5), setting("d", 0.70, 0.72, 0.74), setting("e", 0.70, 0.72, 0.74, images=10_000)]
    rows = {row["name"]: row for row in compare(settings)["settings"]}
    assert rows["a"]["standard_error"] == pytest.approx(math.sqrt(0.25 / 400)) and rows["a"]["error_from"] == "images"
    assert rows["d"]["mean"] == pytest.approx(0.72)
    assert rows["d"]["standard_error"] == pytest.approx(math.sqrt(0.72 * 0.28 / 400))
    assert rows["d"]["error_from"] == "images" and rows["e"]["error_from"] == "seeds"
    assert rows["e"]["standard_error"] == pytest.approx(0.02 / math.sqrt(3))


def test_below_three_seeds_nothing_is_marked() -> None:
    assert marked(setting("a", 0.5, 0.5), setting("b", 0.9, 0.9)) is None
    assert marked(setting("a", 0.5), setting("b", 0.9, 0.9, 0.9)) is None
    assert marked(setting("a", 0.5, 0.5, 0.5), setting("b", 0.9, 0.9, 0.9)) is True


def test_scores_that_do_not_vary_with_the_seed_are_not_marked_without_another_error() -> None:
    one, other = (setting(name, score, score, score, monitor="miou") for name, score in (("a", 0.5), ("b", 0.6)))
    assert marked(one, other) is None


def test_few_images_are_noise_however_alike_the_seeds_are() -> None:
    few = [setting(name, *scores, images=406) for name, scores in (("a", [0.30] * 3), ("b", [0.34] * 3))]
    many = [setting(name, *scores, images=40_600) for name, scores in (("a", [0.30] * 3), ("b", [0.34] * 3))]
    assert marked(*few) is False and marked(*many) is True


def test_few_seeds_are_compared_with_students_t_as_welch_does() -> None:
    one, other = [0.50, 0.52, 0.54], [0.54, 0.56, 0.575]
    pair = [setting(name, *scores, monitor="miou") for name, scores in (("a", one), ("b", other))]
    difference = compare(pair)["differences"][0]
    assert abs(difference["difference"]) > 1.96 * difference["standard_error"]
    assert difference["more_than_noise"] is False
    assert stats.ttest_ind(one, other, equal_var=False).pvalue > 0.05
    far = [score + 0.1 for score in other]
    assert marked(pair[0], setting("c", *far, monitor="miou")) is True


def test_a_published_score_has_the_noise_of_one_run() -> None:
    one = beside_published(setting("a", 0.50), 0.55)
    assert one["over_images"] == pytest.approx(1.96 * math.hypot(0.025, math.sqrt(0.55 * 0.45 / 400)))
    assert one["more_than_noise"] is False, "within the noise of the images"
    assert beside_published(setting("a", 0.50), 0.60)["more_than_noise"] is None, "one seed does not show its noise"
    seeds = beside_published(setting("a", 0.50, 0.51, 0.49), 0.60)
    assert seeds["over_seeds"] == pytest.approx(4.303 * 0.01 * math.sqrt(1 + 1 / 3))
    assert seeds["more_than_noise"] is True
    assert beside_published(setting("a", 0.4, 0.5, 0.6), 0.60)["more_than_noise"] is False
    assert beside_published(setting("a", 0.5, 0.5, 0.5, monitor="miou"), 0.6)["more_than_noise"] is None
