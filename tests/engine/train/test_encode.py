"""Features of a frozen backbone: extracted once, kept for later runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from runs import same, train, weights
from torch import nn

from plugins.torch_basics.classifier import Classifier
from registry.engine.train.features import _logits_and_features

KEPT = "kept from an earlier run"


@pytest.fixture
def images(tmp_path: Path, colored_images: Path) -> Path:
    """Images of this test alone: no other test has kept their features."""
    return Path(shutil.copytree(colored_images, tmp_path / "images"))


@pytest.fixture
def probe(stranger: None, images: Path, tmp_path: Path) -> Callable[[str], Path]:
    """probe(trainer): a recipe of it over the images."""

    def write(trainer: str) -> Path:
        path = tmp_path / f"{trainer}.yaml"
        path.write_text(
            dedent(f"""
            trainer: {{use: {trainer}, batch_size: 8}}
            data: {{use: image_folders, root: {images}}}
            backbone: stranger_net
            runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
            """)
        )
        return path

    return write


def log(out: Path) -> str:
    return (out / "log.txt").read_text()


def test_a_backbones_features_serve_later_runs_of_other_trainers_too(probe, tmp_path):
    for name, recipe, sets in (
        ("first", probe("linear_probe"), ()),
        ("other loss", probe("linear_probe"), ("loss={use: cross_entropy, label_smoothing: 0.1}",)),
        ("knn", probe("knn"), ()),
    ):
        train(recipe, tmp_path / name, "trainer.epochs=2", *sets)
        assert ("features of 36 images" in log(tmp_path / name)) and (KEPT in log(tmp_path / name)) == (name != "first")
    train(probe("linear_probe"), tmp_path / "off", "trainer.epochs=2", "runtime.cache=off")
    assert KEPT not in log(tmp_path / "off")
    assert same(weights(tmp_path / "off"), weights(tmp_path / "first"))


@pytest.mark.parametrize(
    "change", ["seed=1", "augment.eval=[albumentations/CLAHE]", "backbone.width=4", "an image", "a damaged file"]
)
def test_what_changes_the_features_extracts_them_again(probe, images, tmp_path, monkeypatch, change):
    monkeypatch.setenv("HW1CLI_CACHE", str(tmp_path / "cache"))
    train(probe("linear_probe"), tmp_path / "first", "trainer.epochs=1")
    if change == "an image":
        for split in ("train", "val"):
            os.utime(images / split / "red" / "0.png", ns=(1, 1))
    elif change == "a damaged file":
        for path in (tmp_path / "cache" / "features").iterdir():
            path.write_bytes(path.read_bytes()[:-100])
    sets = [change] if "=" in change else []
    train(probe("linear_probe"), tmp_path / "second", "trainer.epochs=1", *sets)
    assert "features of 36 images" in log(tmp_path / "second") and KEPT not in log(tmp_path / "second")


def test_reports_get_logits_and_features_from_one_forward_pass():
    class Backbone(nn.Module):
        channels, strides, calls = (4,), (2,), 0

        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Conv2d(3, 4, 2, 2)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            self.calls += 1
            return [self.net(x)]

    model = Classifier(Backbone(), 3).eval()
    images = torch.randn(2, 3, 8, 8)
    expected = model(images), model.features(images)
    model.backbone.calls = 0  # type: ignore[assignment]
    found = _logits_and_features(model, images)
    assert model.backbone.calls == 1 and all(map(torch.equal, found, expected))  # type: ignore[arg-type]
    assert "features" not in vars(model) and model.features(images).shape == (2, 4)
