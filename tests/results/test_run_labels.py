"""What sets runs apart, in few words."""

from __future__ import annotations

from typing import Any

from registry.results.diff import labels


def test_a_label_has_as_few_settings_as_it_takes_and_the_seed_last() -> None:
    differences: dict[str, list[Any]] = {
        "loss": ["focal", "focal", "ce"],
        "optimizer.lr": [1, 1, 2],
        "reports.0": ["x", "y", "z"],
    }
    assert labels(differences, 3) == ["lr=1", "lr=1", "lr=2"]
    seeds: dict[str, list[Any]] = {
        "seed": [0, 1, 0],
        "model.backbone": ["timm/resnet18", "timm/resnet18", "timm/resnet50"],
    }
    assert labels(seeds, 3) == ["backbone=resnet18, seed=0", "backbone=resnet18, seed=1", "backbone=resnet50, seed=0"]
    assert labels({}, 2) == ["", ""]
