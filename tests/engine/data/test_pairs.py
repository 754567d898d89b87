"""Images, masks and predictions joined by name, whatever follows the name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from registry.engine.data.pairs import find_images, find_masks, with_common_names
from registry.errors import InputError


def files(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        Image.new("L", (2, 2)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("names", "masks", "images"),
    [
        (["01_rgb.jpg", "01_mask.png", "02_rgb.jpg", "02_mask.png"], ["01", "02"], ["01_rgb.jpg", "02_rgb.jpg"]),
        (["a.jpg", "a.png", "a_overlay.jpg"], ["a"], ["a.jpg"]),
        (["a-photo.jpg", "a.png", "a_2.png"], ["a", "a_2"], ["a-photo.jpg"]),
        (["a_2_mask.png", "a_mask.png", "a_2.png", "a.png"], ["a", "a_2"], ["a.png", "a_2.png"]),
        (["a.jpg", "a_mask.png", "a_2.jpg"], ["a"], ["a.jpg"]),
        (["a_sat.jpg", "a_mask.png", "a_2.jpg", "b_sat.jpg", "b_mask.png"], ["a", "b"], ["a_sat.jpg", "b_sat.jpg"]),
    ],
)
def test_masks_and_their_images_in_one_folder(
    tmp_path: Path, names: list[str], masks: list[str], images: list[str]
) -> None:
    folder = files(tmp_path / "f", *names)
    found = find_masks(folder)
    assert list(found) == masks
    assert sorted(path.name for path in find_images(folder, found).values()) == images


def test_predictions_pair_with_a_truth_of_another_ending(tmp_path: Path) -> None:
    truth = find_masks(files(tmp_path / "t", "01_gt.png", "02_gt.png"))
    predictions = find_masks(files(tmp_path / "p", "01_mask.png", "02_mask.png", "03_mask.png"))
    paired = with_common_names(truth, predictions)
    assert [sorted(side) for side in paired] == [["01", "02"], ["01", "02", "03"]]


def test_two_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.tif: has the same name as a\.png"):
        find_masks(files(tmp_path / "f", "a.png", "a.tif"))
