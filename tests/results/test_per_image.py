"""Two runs on the same images: the paired bootstrap, and when there is none."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.results.per_image import paired

TRAINED, EVALUATED = "figures/confusion_matrix", "evaluation/val"


def write(run: Path, right: Sequence[int], folder: str = TRAINED) -> Path:
    (run / folder).mkdir(parents=True)
    with open(run / folder / "per_image.csv", "w", newline="") as file:
        csv.writer(file).writerows([("name", "right"), *((f"{at}.png", value) for at, value in enumerate(right))])
    return run


def test_interval_is_that_of_a_paired_difference(tmp_path: Path) -> None:
    # 400 images: 40 that only the first run gets right, 80 that only the second one does.
    first = [1] * 40 + [0] * 80 + [1] * 280
    second = [0] * 40 + [1] * 80 + [1] * 280
    found = paired(write(tmp_path / "a", first), write(tmp_path / "b", second))
    assert found is not None and found["images"] == 400 and found["score"] == "accuracy"
    assert found["difference"] == pytest.approx(0.1)
    # McNemar's standard error; unpaired it would be 1.6 times as large, because the runs agree on 280 images.
    error = math.sqrt(120 / 400 - 0.1**2) / 20
    assert found["low"] == pytest.approx(0.1 - 1.96 * error, abs=0.006)
    assert found["high"] == pytest.approx(0.1 + 1.96 * error, abs=0.006)
    assert paired(tmp_path / "a", tmp_path / "b") == found, "the same numbers every time"


def test_the_order_of_the_images_does_not_matter(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", [1, 0, 0, 1] * 20), write(tmp_path / "b", [1, 1, 0, 1] * 20)
    before = paired(one, other)
    path = other / TRAINED / "per_image.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert paired(one, other) == before


def test_other_images_and_other_sources_are_not_compared(tmp_path: Path) -> None:
    one = write(tmp_path / "a", [1, 0, 1])
    assert paired(one, write(tmp_path / "b", [1, 0, 1, 1])) is None
    assert paired(one, tmp_path / "nothing") is None
    evaluated = write(tmp_path / "c", [1, 0, 1], EVALUATED)
    assert paired(one, evaluated) is None, "the last weights of one run, the best ones of the other"
    write(one, [0, 0, 1], EVALUATED)
    found = paired(one, evaluated)
    assert found is not None and found["difference"] == pytest.approx(1 / 3)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", [1, 0]), write(tmp_path / "b", [1, 0])
    (other / TRAINED / "per_image.csv").write_text("name,right\n0.png,perhaps\n")
    with pytest.raises(InputError, match="per_image"):
        paired(one, other)
