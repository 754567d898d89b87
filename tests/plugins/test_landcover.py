"""The course's land-cover layout, and the generated scenes in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plugins.hw1.landcover import CLASS_COLORS, NO_CLASS, LandCover, decode, encode
from plugins.hw1.landcover_scenes import LandCoverScenes
from registry.errors import InputError


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    LandCoverScenes(train=2, validation=4, size=64).make(tmp_path / "scenes")
    return tmp_path / "scenes"


def test_colours_are_the_courses_and_go_both_ways() -> None:
    # 4R + 2G + B of the course: 3, 6, 5, 2, 1, 7, 0.
    assert [(4 * r + 2 * g + b) // 255 for r, g, b in CLASS_COLORS] == [3, 6, 5, 2, 1, 7, 0]
    mask = np.arange(7, dtype=np.uint8).reshape(1, 7)
    labels, wrong = decode(encode(mask))
    assert (labels == mask).all() and wrong == 0
    smudged = np.array([[[127, 128, 255], [128, 127, 127]]], np.uint8)
    labels, wrong = decode(smudged)
    assert labels.tolist() == [[0, NO_CLASS]] and wrong == 1


def test_samples_and_facts(scenes: Path) -> None:
    data = LandCover(scenes)
    assert data.facts["num_classes"] == 7 and data.facts["ignore_index"] == 6 and data.facts["in_channels"] == 3
    assert data.facts["class_names"][2] == "rangeland" and data.facts["class_colors"][2] == (255, 0, 255)
    assert len(data.split("train") or ()) == 2
    assert [sample["name"] for sample in data.split("val")] == ["0000", "0013", "0062", "0104"]
    sample = data.split("val")[-1]
    assert sample["image"].shape == (64, 64, 3) and sample["mask"].shape == (64, 64)
    stored = np.asarray(Image.open(scenes / "validation/0104_mask.png"))
    assert sample["mask"].dtype == np.uint8 and (encode(sample["mask"]) == stored).all()
    with pytest.raises(InputError, match="train, val"):
        data.split("test")


def test_every_missing_half_is_reported(scenes: Path) -> None:
    (scenes / "train/0001_mask.png").unlink()
    for number in range(7):
        (scenes / f"validation/9{number:03d}_mask.png").touch()
    (scenes / "validation/Thumbs.db").touch()
    with pytest.raises(InputError) as caught:
        LandCover(scenes)
    assert [problem.message for problem in caught.value.problems] == [
        "1 image without mask: 0001",
        "7 masks without image: 9000, 9001, 9002, 9003, 9004, ...",
    ]
    assert all("0013_sat.jpg" in (problem.hint or "") for problem in caught.value.problems)
    with pytest.raises(InputError, match=r"elsewhere.train: is not a directory"):
        LandCover(scenes / "elsewhere")
    (scenes / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: has no images"):
        LandCover(scenes, train="empty", validation="empty")


def test_red_pixels_name_file_count_and_place(scenes: Path) -> None:
    path = scenes / "train/0001_mask.png"
    colours = np.array(Image.open(path))
    colours[5, 9] = colours[6, 2] = (255, 0, 0)
    Image.fromarray(colours).save(path)
    data = LandCover(scenes)
    assert data.split("train")[0]["name"] == "0000"
    with pytest.raises(InputError, match=r"0001_mask\.png: 2 red pixels, the first at \(x=9, y=5\)"):
        data.split("train")[1]


def test_another_size_names_both_files(scenes: Path) -> None:
    Image.new("RGB", (60, 64)).save(scenes / "train/0000_mask.png")
    with pytest.raises(InputError, match=r"0000_mask\.png: is 60x64, but its image .*0000_sat\.jpg is 64x64"):
        LandCover(scenes).split("train")[0]


def test_scenes_are_the_same_bytes_in_any_order_number_and_threads(tmp_path: Path, scenes: Path) -> None:
    few, more = files_of(scenes), LandCoverScenes(train=3, validation=5, size=64)
    more.scene("validation", 62)
    more.make(tmp_path / "more", threads=1)
    more.make(tmp_path / "by_three", threads=3)
    many = files_of(tmp_path / "more")
    assert len(few) == 12 and len(many) == 16 and few.items() <= many.items()
    assert files_of(tmp_path / "by_three") == many
    again = LandCoverScenes(train=2, validation=4, size=64)
    for split, number in (("validation", 104), ("train", 1), ("validation", 0)):
        mask = np.asarray(Image.open(scenes / split / f"{number:04d}_mask.png"))
        assert (encode(again.scene(split, number)[1]) == mask).all()
    assert not np.array_equal(again.scene("train", 0)[0], again.scene("validation", 0)[0])
    other = LandCoverScenes(size=64, seed=1)
    assert not np.array_equal(again.scene("train", 0)[0], other.scene("train", 0)[0])


def test_making_twice_is_harmless_but_never_mixes(scenes: Path) -> None:
    before = files_of(scenes)
    LandCoverScenes(train=2, validation=4, size=64).make(scenes)
    assert files_of(scenes) == before
    with pytest.raises(InputError, match=r"holds 2 other files, such as .*0001_mask\.png"):
        LandCoverScenes(train=1, validation=4, size=64).make(scenes)


def test_shares_are_unequal_as_in_real_land(tmp_path: Path) -> None:
    made = LandCoverScenes(train=40, validation=2, size=64).make(tmp_path)
    shares = made["shares"]
    assert (made["train"], made["validation"]) == (40, 2) and sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert 0.35 < shares["agriculture"] < 0.65 and max(shares, key=shares.get) == "agriculture"
    for name, least, most in (("urban", 0.04, 0.2), ("rangeland", 0.05, 0.25), ("forest", 0.05, 0.22)):
        assert least < shares[name] < most
    assert 0.03 < shares["barren"] < 0.18 and 0.01 < shares["water"] < 0.1 and 0 < shares["unknown"] < 0.03
    assert sorted(path.name for path in (tmp_path / "validation").glob("*.jpg")) == ["0013_sat.jpg", "0062_sat.jpg"]
