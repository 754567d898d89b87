"""Images and masks in plain folders."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plugins.folders.image_masks import ImageMasks
from plugins.folders.specs import image_masks
from registry.errors import InputError

LABELS = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)


def build(root: Path, mask: Image.Image | None = None, name: str = "a.PNG", image_name: str = "a.jpg") -> Path:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(root / split / "images" / image_name)
        (mask or Image.fromarray(LABELS)).save(root / split / "masks" / name)
    return root


def data(root: Path, **arguments: Any) -> ImageMasks:
    return image_masks(**{"root": root, "classes": ["sky", "tree", "road"], "ignore_index": 255, **arguments})


def test_index_masks_and_facts(tmp_path: Path) -> None:
    made = data(build(tmp_path))
    sample = pickle.loads(pickle.dumps(made)).split("val")[0]  # noqa: S301 - as a spawned worker gets it
    assert (sample["mask"] == LABELS).all() and sample["image"].shape == (2, 3, 3) and sample["name"] == "a"
    assert made.facts["num_classes"] == 3 and made.facts["class_names"] == ("sky", "tree", "road")
    assert made.facts["ignore_index"] == 255 and len(set(made.facts["class_colors"])) == 3
    assert data(tmp_path, ignore_index=2).facts["class_colors"][2] == (128, 128, 128)


def test_labels_of_no_class_are_refused(tmp_path: Path) -> None:
    made = data(build(tmp_path), classes=["sky", "tree"], ignore_index=9)
    with pytest.raises(InputError, match=r"a\.PNG: .* 2 \(2 pixels\), 255 \(1 pixel\)\n.*0\.\.1 and 9"):
        made.split("train")[0]


def test_palette_masks_give_indices(tmp_path: Path) -> None:
    mask = Image.fromarray(LABELS)
    mask.putpalette([v for i in range(256) for v in (255 - i, 40, i)])
    assert (data(build(tmp_path, mask), mask_format="palette").split("train")[0]["mask"] == LABELS).all()


def test_colour_masks(tmp_path: Path) -> None:
    table = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (0, 0, 0)]
    colours = np.array(table, np.uint8)[np.minimum(LABELS, 3)]
    made = data(build(tmp_path, Image.fromarray(colours)), mask_format="colors", colors=table)
    made = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert (made.split("train")[0]["mask"] == LABELS).all()
    assert made.facts["class_colors"] == tuple(table[:3])
    colours[0, 0] = (200, 0, 1)
    build(tmp_path, Image.fromarray(colours))
    with pytest.raises(InputError, match=r"a\.PNG: has colours of no class: #c80001 \(1 pixel\)"):
        made.split("train")[0]


def test_suffixes_also_within_one_folder(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (3, 2)).save(tmp_path / split / "a.jpg")
        Image.fromarray(LABELS).save(tmp_path / split / "a_mask.png")
    folders = {"train_images": "train", "train_masks": "train", "val_images": "val", "val_masks": "val"}
    assert [sample["name"] for sample in data(tmp_path, **folders, mask_suffix="_mask").split("train")] == ["a"]


def test_all_mismatches_are_reported_together(tmp_path: Path) -> None:
    build(tmp_path)
    Image.new("RGB", (3, 2)).save(tmp_path / "train/images/b.jpg")
    Image.new("RGB", (3, 2)).save(tmp_path / "val/images/a.png")
    with pytest.raises(InputError) as caught:
        data(tmp_path)
    assert [problem.message for problem in caught.value.problems] == [
        "1 image without mask: b",
        "has the same name as a.jpg",
    ]
    with pytest.raises(InputError, match="is not a directory"):
        data(tmp_path, val_masks="elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask_format": "colors"}, "colors: is missing"),
        ({"colors": [(0, 0, 0)]}, "colors: expected 3 colours, one for each class, got 1"),
        ({"colors": [(0, 0, 0), (1, 1, 1), (0, 0, 0)], "mask_format": "colors"}, "repeats a colour"),
        ({"colors": [(0, 0, 0), (1, 1, 1), (0, 0, 300)]}, r"expected \[R, G, B\]"),
        ({"classes": ["a", "a"]}, "repeats a name"),
        ({"ignore_index": -1}, r"expected 0\.\.255, got -1"),
    ],
)
def test_arguments_that_disagree(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        data(build(tmp_path), **arguments)


def test_jpeg_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpeg: .*invents labels"):
        data(build(tmp_path, name="a.jpeg")).split("train")[0]


def test_inspect_warns_of_strange_labels_and_sizes_and_refuses_jpeg_masks(hw1cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(rng.integers(0, 255, (8, 12, 3), np.uint8)).save(tmp_path / split / f"images/{number}.jpg")
            mask = rng.integers(0, 3, (8, 12)).astype(np.uint8)
            mask[0, 0] = 77 if number == 1 else mask[0, 0]
            Image.fromarray(mask[: 6 if number == 2 else 8]).save(tmp_path / split / f"masks/{number}.png")
    found = json.loads(hw1cli("data", "inspect", tmp_path, "--no-sheet", "--json").stdout)
    assert found["data"]["classes"] == ["class_0", "class_1", "class_2"]
    faults = found["splits"]["train"]["warnings"]
    assert len(faults) == 2 and "1.png: has values of no class: 77" in faults[0] and "2.png: is 12x6" in faults[1]
    assert "warning: " in hw1cli("data", "inspect", tmp_path, "--no-sheet").stdout

    for path in list(tmp_path.glob("*/masks/*.png")):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    refused = hw1cli("data", "inspect", tmp_path)
    assert refused.returncode == 2
    assert "JPEG invents labels" in refused.stderr
