"""A folder divided into training and evaluation images, and images drawn so that classes are seen about as often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from runs import train

from registry.engine.data.facts import balancing_weights, class_counts
from registry.engine.data.loader import EpochOrder
from registry.engine.data.split import Divided
from registry.errors import InputError
from registry.recipe.grammar import SplitSettings


class Labels:
    """Samples of given labels that must not be read."""

    def __init__(self, labels: Sequence[int | None]) -> None:
        self.labels = labels
        self.names = [f"{index:03d}.png" for index in range(len(labels))]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        raise AssertionError("read an image to see its label")


class Data:
    def __init__(self, samples: object) -> None:
        self.samples, self.facts = samples, {"num_classes": 3}

    def split(self, name: str) -> object:
        return self.samples


def test_every_class_gives_its_share_and_the_choice_is_fixed() -> None:
    samples = Labels([0] * 50 + [1] * 30 + [2] * 20)
    divided = Divided(Data(samples), SplitSettings(val=0.2))
    train_part, val_part = divided.split("train"), divided.split("val")
    assert Counter(val_part.labels) == {0: 10, 1: 6, 2: 4}
    assert sorted(train_part.names + val_part.names) == samples.names
    assert val_part.names == Divided(Data(samples), SplitSettings(val=0.2)).split("val").names
    assert val_part.names != Divided(Data(samples), SplitSettings(val=0.2, seed=1)).split("val").names
    assert class_counts(train_part, 3) == [40, 24, 16]


def test_a_file_names_what_is_held_out(tmp_path: Path) -> None:
    file = tmp_path / "val.txt"
    file.write_text("# held out\n003.png\n\n001\n")
    divided = Divided(Data(Labels([0] * 5)), SplitSettings(file=file))
    assert divided.split("val").names == ["001.png", "003.png"] and len(divided.split("train")) == 3
    file.write_text("003.png\n777.png\n")
    with pytest.raises(InputError, match=r"777.png"):
        Divided(Data(Labels([0] * 5)), SplitSettings(file=file))
    file.write_text("")
    with pytest.raises(InputError, match="would leave 5 training and 0"):
        Divided(Data(Labels([0] * 5)), SplitSettings(file=file))


def test_balanced_sampling_shows_rare_classes_as_often() -> None:
    samples = Labels([0] * 90 + [1] * 9 + [2])
    order = EpochOrder(100, 10, seed=3, weights=balancing_weights(samples, 3))
    seen = Counter(samples.labels[index] for epoch in range(1, 101) for index in order.order(epoch))
    assert all(seen[label] / 10_000 == pytest.approx(1 / 3, abs=0.02) for label in range(3))
    assert order.order(1) == order.order(1) != order.order(2)


def test_masks_weigh_by_the_pixels_of_their_classes() -> None:
    masks = [np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]], np.uint8)]

    class Masks(list):
        names = ("a", "b", "c")

    weights = balancing_weights(Masks({"mask": mask} for mask in masks), 3)
    assert weights.tolist() == pytest.approx([1 / 11, 1 / 11, (3 / 11 + 1) / 4])


def test_a_recipe_divides_and_balances(stranger: None, recipe: Path, tmp_path: Path) -> None:
    sets = ("split.val=0.34", "trainer.sampling=balanced", "trainer.epochs=1")
    summary = train(recipe, tmp_path / "run", *sets)
    assert summary["evaluation_images"] == 3  # of the nine training scenes
