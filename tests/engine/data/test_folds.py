"""Folds: every image held out once, groups never divided, classes in equal shares, the same for the same names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from registry.engine.data.split.folds import held_out
from registry.errors import InputError
from registry.recipe.grammar import SplitSettings


class Listed:
    """Samples of which names and labels matter alone."""

    def __init__(self, names: list[str], labels: list | None = None) -> None:
        self.names = names
        if labels is not None:
            self.labels = labels

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict:
        return {"name": self.names[index]}


def patients(number: int = 40, seed: int = 0) -> Listed:
    """Images of patients, one to seven of each, who have one of three findings."""
    generator, names, labels = np.random.default_rng(seed), [], []
    for patient in range(number):
        for image in range(generator.integers(1, 8)):
            names.append(f"p{patient:02d}_{image}.png")
            labels.append(patient % 3)
    return Listed(names, labels)


def parts(samples: Listed, **settings) -> list[list[str]]:
    number = settings["folds"]
    found = [held_out(samples, SplitSettings(fold=fold, **settings)) for fold in range(1, number + 1)]
    return [[samples.names[at] for at in part] for part in found]


@pytest.mark.parametrize("grouping", [{}, {"group": "[^_]+"}, {"group": r"p(\d+)_"}])
@pytest.mark.parametrize("labelled", [True, False])
def test_each_image_is_held_out_once_and_groups_are_never_divided(grouping: dict, labelled: bool) -> None:
    samples = patients()
    whole = samples if labelled else Listed(samples.names)
    found = parts(whole, folds=5, **grouping)
    assert sorted(name for part in found for name in part) == sorted(samples.names)
    of_patient = [{name[:3] for name in part} for part in found]
    divided = any(one & other for at, one in enumerate(of_patient) for other in of_patient[at + 1 :])
    assert divided is not bool(grouping)
    label = dict(zip(samples.names, samples.labels, strict=True))
    total = Counter(samples.labels)
    for part in found:
        share = Counter(label[name] for name in part)
        if labelled:
            allowed = 8 if grouping else 1  # a group is not divided for a class's share
            assert all(abs(share[each] - count / 5) <= allowed for each, count in total.items()), (share, total)


def test_folds_follow_from_the_names_and_the_seed_alone() -> None:
    samples = patients()
    shuffled = list(zip(samples.names, samples.labels, strict=True))
    np.random.default_rng(3).shuffle(shuffled)
    other = Listed([name for name, _ in shuffled], [int(label) for _, label in shuffled])
    settings = {"folds": 4, "group": "[^_]+"}
    assert [set(part) for part in parts(samples, **settings)] == [set(part) for part in parts(other, **settings)]
    assert parts(samples, **settings) != parts(samples, seed=1, **settings)


def test_groups_of_a_table_and_several_labels_of_an_image(tmp_path: Path) -> None:
    samples = patients()
    table = tmp_path / "patients.csv"
    table.write_text("filename,patient\n" + "".join(f"{name[:-4]},{name[:3]}\n" for name in samples.names))
    by_table = parts(samples, folds=3, group_file=table, group_column="patient")
    assert by_table == parts(samples, folds=3, group="[^_]+")
    several = Listed(samples.names, [(label == 0, label == 1) for label in samples.labels[:-1]] + [(True, True)])
    assert sorted(name for part in parts(several, folds=5) for name in part) == sorted(samples.names)
    table.write_text("\n".join(table.read_text().splitlines()[:-2]))
    with pytest.raises(InputError, match=r"split.group_file: gives 2 of \d+ images no group: p39"):
        parts(samples, folds=3, group_file=table, group_column="patient")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 100}, "100 folds need as many images of each class: class"),
        ({"folds": 41, "group": "[^_]+"}, "41 folds need as many groups, and there are 40"),
        ({"folds": 5, "group": "q"}, "images no group"),
    ],
)
def test_too_few_images_or_groups_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parts(patients(), **settings)
    with pytest.raises(InputError, match="5 folds need as many images, and there are 2"):
        parts(Listed(["a", "b"]), folds=5)
