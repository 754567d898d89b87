"""``data inspect``: what it proposes for images of several sizes, and what it asks about masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from registry.cli.commands.data import inspect_data
from registry.engine.data.preprocess import checked, collate
from registry.errors import InputError


def segmentation(root: Path, values: Sequence[int], sizes: Sequence[tuple[int, int]] = ((40, 30),)) -> Path:
    for split in ("train", "val"):
        for number, (width, height) in enumerate(sizes):
            mask = np.resize(np.array(values, np.uint8), (height, width))
            for kind, pixels in (("images", np.zeros((height, width, 3), np.uint8)), ("masks", mask)):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / split / kind / f"{number}.png")
    return root


def classification(root: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            for number, size in enumerate(sizes):
                (root / split / name).mkdir(parents=True, exist_ok=True)
                Image.new("RGB", size).save(root / split / name / f"{number}.png")
    return root


SIZES = ((96, 70), (100, 64), (40, 90))


@pytest.mark.parametrize("kind", ["masks", "labels"])
def test_the_proposed_augment_block_makes_images_of_one_size_and_passes_check(
    hw1cli: Any, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "data"
    found = inspect_data(segmentation(root, [0, 1], SIZES) if kind == "masks" else classification(root, SIZES))
    trainer = "segmentation" if kind == "masks" else "classification"
    recipe = {
        "trainer": {"use": trainer, "epochs": 1, "batch_size": 3},
        "data": {key: value if isinstance(value, list) else str(value) for key, value in found["data"].items()},
        "augment": found["augment"],
        "model": {"use": "smp/unet", "backbone": "timm/resnet18"} if kind == "masks" else "timm/resnet18",
        "loss": "cross_entropy",
        "optimizer": {"use": "adamw", "lr": 0.001},
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    ended = hw1cli("check", tmp_path / "r.yaml")
    assert ended.returncode == 0, ended.stderr
    shown = hw1cli("data", "inspect", root, "--no-sheet").stdout
    assert "augment:" in shown and "differ in size" in shown


def test_images_of_one_size_need_no_augment(tmp_path: Path) -> None:
    assert inspect_data(classification(tmp_path, [(40, 30)]))["augment"] is None


def test_a_batch_of_several_sizes_names_the_augment_lines() -> None:
    samples = [
        {"name": name, "index": 0, "image": np.zeros((*size, 3), np.uint8)}
        for name, size in (("a", (70, 96)), ("b", (64, 64)))
    ]
    with pytest.raises(InputError, match=r"differ in size: a 96x70 and b 64x64") as caught:
        checked(collate(samples))
    resize = "[{use: albumentations/Resize, height: 64, width: 96}]"
    assert f"augment: {{train: {resize}, eval: {resize}}}" in str(caught.value)


def test_masks_of_0_and_255_are_two_classes_and_a_question(tmp_path: Path) -> None:
    found = inspect_data(segmentation(tmp_path, [0, 255]))
    assert found["facts"]["num_classes"] == 2 and found["splits"]["train"]["shares"]["foreground"] == 0.5
    (question,) = found["questions"]
    assert "0 and 255 only" in question and "ignore_index: 255" in question


def test_a_label_255_is_proposed_as_ignored_and_asked_about(tmp_path: Path) -> None:
    found = inspect_data(segmentation(tmp_path, [0, 1, 2, 255]))
    assert found["data"]["ignore_index"] == 255
    (question,) = found["questions"]
    assert "label 255 (25.0% of the pixels)" in question and "is it a class?" in question


def test_without_an_ignored_label_it_is_asked_for(tmp_path: Path) -> None:
    (question,) = inspect_data(segmentation(tmp_path, [0, 1]))["questions"]
    assert "ignore_index: LABEL" in question
