"""Classification data in plain folders: how classes get their labels, what is refused, what ``data inspect`` shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from plugins.folders import guesses
from plugins.folders.csv_labels import CsvLabels
from plugins.folders.digits import Digits
from plugins.folders.image_folders import ImageFolders
from plugins.folders.labelled_names import LabelledNames
from plugins.hw1.specs import landcover
from registry.catalog.spec import ComponentSpec
from registry.cli.commands.data import inspect_data
from registry.engine.data.colors import distinct_colors
from registry.errors import InputError


def paint(path: Path, color: tuple[int, int, int] = (90, 90, 90), size: tuple[int, int] = (6, 5)) -> Path:
    """Write a plain picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def of_names(root: Path, train: Sequence[str], val: Sequence[str] = ()) -> Path:
    """A folder in the layout of ``labelled_names``."""
    for split, stems in (("train_50", train), ("val_50", val)):
        (root / split).mkdir(parents=True)
        for stem in stems:
            paint(root / split / f"{stem}.png")
    return root


def problems_of(make: object, *arguments: object, **named: object) -> str:
    with pytest.raises(InputError) as caught:
        make(*arguments, **named)  # type: ignore[operator]
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_the_label_of_a_numbered_class_is_its_number(tmp_path: Path) -> None:
    names = [f"{label}_{index}" for label in range(12) for index in range(2)]
    root = of_names(tmp_path, names, ["10_0", "2_7"])
    (root / "train_50" / "._3_4.png").write_bytes(b"what a Mac leaves behind")
    data = LabelledNames(root)
    assert data.facts["class_names"] == [str(label) for label in range(12)] and data.facts["num_classes"] == 12
    train, val = data.split("train"), data.split("val")
    assert (
        train is not None
        and len(train) == 24
        and all(train[i]["label"] == int(train[i]["name"].split("_")[0]) for i in range(24))
    )
    assert [(sample["name"], sample["label"]) for sample in val] == [("10_0.png", 10), ("2_7.png", 2)]
    assert val[0]["image"].shape == (5, 6, 3)


def test_a_class_name_may_hold_underscores_and_words_are_in_alphabetical_order(tmp_path: Path) -> None:
    data = LabelledNames(of_names(tmp_path, ["sea_lion_1", "10_1", "sea_2"]), val=None)
    assert data.facts["class_names"] == ["10", "sea", "sea_lion"] and data.split("val") is None
    with pytest.raises(InputError, match="the splits are train, val"):
        data.split("test")


def test_names_without_class_and_classes_of_val_alone_are_reported_together(tmp_path: Path) -> None:
    root = of_names(tmp_path, ["cat_1", "cat2", "_3"], ["dog_1", "dog_2", "cat_4"])
    problems = problems_of(LabelledNames, root)
    assert "cat2.png: has no class" in problems and "_3.png: has no class" in problems
    assert "dog_1.png: is of class 'dog'" in problems and "dog_2" not in problems
    assert "train_50" in problems_of(LabelledNames, root, train="train_5")


def test_of_many_problems_the_first_ten_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    problems = problems_of(LabelledNames, of_names(tmp_path, [f"x{number:02d}" for number in range(37)], ["a_1"]))
    assert "x09" in problems and "x10" not in problems and "and 27 more problems" in problems


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Images and csv files, written as spreadsheets write them."""
    for name in ("b1.jpg", "a1.jpg", "a2.jpg", "x.jpg", "with, comma.jpg"):
        paint(tmp_path / "train" / name)
    paint(tmp_path / "val" / "v.jpg")
    rows = ["filename,id,label", 'b1.jpg,0,"10"', ' "a1.jpg" ,1, 9 ', "", "a2.jpg,2,9", "x.jpg,3,None"]
    rows += ['"with, comma.jpg",4,9', "a2.jpg,5,9"]
    (tmp_path / "train.csv").write_bytes(("\ufeff" + "\r\n".join(rows)).encode())
    (tmp_path / "val.csv").write_text("Image_ID,Category\nv,10\n")
    return tmp_path


def test_csv_files_of_spreadsheets_are_read_and_none_is_no_label(office: Path) -> None:
    data = CsvLabels(office)
    assert data.facts["class_names"] == ["9", "10"]
    labels = {sample["name"]: sample.get("label", "no key") for sample in data.split("train")}
    assert labels == {"b1.jpg": 1, "a1.jpg": 0, "a2.jpg": 0, "x.jpg": "no key", "with, comma.jpg": 0}
    assert [(sample["name"], sample["label"]) for sample in data.split("val")] == [("v", 1)]
    assert CsvLabels(office, val=None).split("val") is None


def test_without_any_label_the_data_have_no_classes(office: Path) -> None:
    (office / "train.csv").write_text("filename,label\na1.jpg,None\nb1.jpg,None\n")
    data = CsvLabels(office, val=None)
    assert "num_classes" not in data.facts and set(data.split("train")[0]) == {"image", "name"}


def test_all_wrong_rows_are_reported_with_their_lines(office: Path) -> None:
    rows = ["filename,label", "a1.jpg,9", "gone.jpg,9", "a2.jpg,", "a1.jpg,10", ",9", '"b1.jpg', 'x",9', "x.jpg"]
    (office / "train.csv").write_text("\n".join(rows))
    (office / "val.csv").write_text("name,target\nv.jpg,11\n")
    problems = problems_of(CsvLabels, office)
    for line, words in (
        (3, "gone.jpg: is not in"),
        (4, "a2.jpg: has no label"),
        (5, "a1.jpg: is labelled '10' here and '9' in line 2"),
        (6, "the file name: is empty"),
        (9, "x.jpg: has no label"),
    ):
        assert f"train.csv:{line}: {words}" in problems
    assert "val.csv:2: " in problems and "class '11'" in problems


def test_columns_are_found_or_named(office: Path) -> None:
    (office / "train.csv").write_text("a,filename,label,kind\nb1.jpg,a1.jpg,x,9\n")
    (office / "val.csv").write_text("a,kind\nv,9\n")
    problems = problems_of(CsvLabels, office)
    assert "val.csv:1: " in problems and "its columns are a, kind" in problems and "filename_column" in problems
    data = CsvLabels(office, filename_column="A", label_column="kind")
    assert data.facts["class_names"] == ["9"] and data.split("train").names == ["b1.jpg"]
    assert "did you mean 'kind'" in problems_of(CsvLabels, office, filename_column="a", label_column="kin")
    (office / "train.csv").write_bytes("filename,label\n".encode("utf-16"))
    assert "UTF-8" in problems_of(CsvLabels, office) and "does not exist" in problems_of(
        CsvLabels, office, ("train", "t.csv")
    )


def test_image_folders_may_lack_an_evaluation_split_and_report_all_missing_folders(tmp_path: Path) -> None:
    for label in (1, 10, 9):
        paint(tmp_path / "train" / str(label) / "deep" / "a.jpg")
    (tmp_path / "train" / "5").mkdir()
    data = ImageFolders(tmp_path, val=None)
    assert data.facts["class_names"] == ["1", "5", "9", "10"] and data.split("val") is None
    labels = {sample["name"]: sample["label"] for sample in data.split("train")}
    assert labels == {"1/deep/a.jpg": 0, "9/deep/a.jpg": 2, "10/deep/a.jpg": 3}
    problems = problems_of(ImageFolders, tmp_path, "tran", "val")
    assert (
        "tran: does not exist" in problems and "did you mean 'train'" in problems and "val: does not exist" in problems
    )


GUESSES = {
    "labelled_names": guesses.labelled_names,
    "csv_labels": guesses.csv_labels,
    "image_folders": guesses.image_folders,
    "image_masks": guesses.image_masks,
    "landcover": ComponentSpec.of(landcover).guess,
}


@pytest.mark.parametrize(
    ("files", "tables", "dataset", "arguments"),
    [
        (["train_50/1_0", "train_50/1_1", "train_50/0_0", "val_50/1_2"], {}, "labelled_names", {}),
        (["train/a_0", "train/a_1", "train/b_0", "test/a_2"], {}, "labelled_names", {"train": "train", "val": "test"}),
        (["train_50/1_0", "train_50/1_1", "train_50/0_0"], {}, "labelled_names", {"val": None}),
        (["train/x", "val/y"], {"train": "filename,label\nx.png,1", "val": "file,class\ny.png,1"}, "csv_labels", {}),
        (
            ["train_images/a_1", "train_images/a_2", "train_images/b_1"],
            {"train": "image_id,label\na_1,3\na_2,4", "test": "image_id,label\nq,None"},
            "csv_labels",
            {"train_images": "train_images", "val_csv": None},
        ),
        (
            ["train/x"],
            {"train": "file,label\ntrain/x.png,1"},
            "csv_labels",
            {"train_images": ".", "val_csv": None},
        ),
        (["train/a/x_1", "train/b/x_1", "val/a/x_2"], {}, "image_folders", {}),
        (["train/a/1", "test/a/2"], {"train": "file,label\na/1.png,a"}, "image_folders", {"val": "test"}),
        (
            ["train/images/1", "train/masks/1", "val/images/2", "val/masks/2"],
            {},
            "image_masks",
            {"classes": ["class_0"]},
        ),
        (
            ["train/1_mask", "train/1_sat.jpg", "train/2_mask", "train/2_sat.jpg", "validation/2_sat.jpg"],
            {},
            "landcover",
            {},
        ),
        (["train/a_1", "train/a_2", "train/b_1", "train_labels/a_1", "val/a_3"], {}, None, {}),
        (["train/frame_1", "train/frame_2", "val/frame_3"], {}, None, {}),
    ],
)
def test_one_guess_at_most_recognises_a_layout(
    tmp_path: Path, files: list[str], tables: dict[str, str], dataset: str | None, arguments: dict[str, object]
) -> None:
    for name in files:
        path = paint(tmp_path / (name if "." in name else f"{name}.png"), (0, 0, 0))
        if "masks" in path.parts:
            Image.new("L", (6, 5)).save(path)
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    guessed = {name: found for name, guess in GUESSES.items() if (found := guess(tmp_path)) is not None}
    assert guessed == ({dataset: {"root": tmp_path, **arguments}} if dataset else {})


def test_the_digits_are_scikit_learns_split_by_class_and_always_the_same(tmp_path: Path) -> None:
    made = Digits(seed=3).make(tmp_path / "one")
    Digits(seed=3).make(tmp_path / "two")
    files = {split: sorted((tmp_path / "one" / split).iterdir()) for split in ("train_50", "val_50")}
    every = [file for each in files.values() for file in each]
    assert all(file.read_bytes() == (tmp_path / "two" / file.parent.name / file.name).read_bytes() for file in every)
    assert (len(files["train_50"]), len(files["val_50"])) == (made["train"], made["val"]) == (1437, 360)
    scans = load_digits()
    ids = [int(file.stem.split("_")[1]) for file in every]
    assert sorted(ids) == list(range(1797))
    assert [int(file.stem.split("_")[0]) for file in every] == scans.target[ids].tolist()
    counts = Counter(file.stem.split("_")[0] for file in files["val_50"])
    assert all(abs(counts[str(label)] - 0.2 * (scans.target == label).sum()) < 1 for label in range(10))
    for file, number in list(zip(every, ids, strict=True))[::200]:
        pixels = np.asarray(Image.open(file))
        assert pixels.shape == (32, 32, 3)
        small = pixels.mean(2).reshape(8, 4, 8, 4).mean((1, 3))
        assert np.corrcoef(small.ravel(), scans.images[number].ravel())[0, 1] > 0.95
    Digits(seed=4).make(tmp_path / "other")
    assert {f.name for f in files["val_50"]} != {f.name for f in (tmp_path / "other" / "val_50").iterdir()}
    with pytest.raises(InputError, match="is not empty"):
        Digits().make(tmp_path / "one")


def test_every_label_is_counted_also_beyond_the_images_looked_at_and_beyond_256_classes(tmp_path: Path) -> None:
    # 301 classes of which the last is half of the images
    train = [f"{label}_0" for label in range(301)] + [f"300_{index}" for index in range(1, 300)]
    found = inspect_data(of_names(tmp_path, train, ["300_0", "5_0"]))
    figures = found["splits"]["train"]
    assert figures["looked_at"] == 200 and figures["images"] == figures["counted"] == 600
    assert figures["counts"]["300"] == 300 and figures["counts"]["299"] == 1 and figures["shares"]["300"] == 0.5
    assert found["splits"]["val"]["counts"]["5"] == 1 and found["splits"]["val"]["counts"]["6"] == 0
    assert found["sheet"] is None


def test_one_folder_of_classes_is_recognised_and_a_split_proposed(tmp_path: Path, hw1cli) -> None:
    for name in ("rose", "lily"):
        for number in range(5):
            paint(tmp_path / "flowers" / name / f"{number}.png")
    found = inspect_data(tmp_path / "flowers")
    assert {key: found["data"][key] for key in ("use", "train", "val")} == {
        "use": "image_folders",
        "train": ".",
        "val": None,
    }
    assert found["split"] == {"val": 0.2} and found["splits"]["train"]["counts"] == {"lily": 5, "rose": 5}
    assert "split:" in hw1cli("data", "inspect", tmp_path / "flowers", "--no-sheet").stdout
    (tmp_path / "flowers" / "train").mkdir()
    with pytest.raises(InputError, match="layout that no dataset"):
        inspect_data(tmp_path / "flowers")


def near(sheet: Path, color: tuple[int, ...]) -> int:
    """Pixels of about that colour."""
    pixels = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    return int((np.abs(pixels - color).max(2) < 6).sum())


def test_the_sheet_shows_images_of_every_class(hw1cli, tmp_path: Path) -> None:
    colors = {"red": (200, 30, 30), "a_$x^$": (30, 200, 30), "_blue": (30, 30, 200)}
    for name, color in colors.items():
        for number in range(1 if name == "red" else 20):
            paint(tmp_path / "mine" / "train_50" / f"{name}_{number}.png", color, (40, 40))
    paint(tmp_path / "mine" / "val_50" / "red_1.png")
    found = json.loads(hw1cli("data", "inspect", tmp_path / "mine", "--json", cwd=tmp_path).stdout)
    sheet = tmp_path / "inspection" / "mine" / "samples.png"
    assert found["sheet"] == "inspection/mine/samples.png" and found["data"]["use"] == "labelled_names"
    one = near(sheet, colors["red"])
    assert one > 2000
    assert all(7 * one < near(sheet, colors[name]) < 9 * one for name in ("a_$x^$", "_blue"))
    shown = hw1cli("data", "inspect", tmp_path / "mine", "--sheet", tmp_path / "new" / "s.png", cwd=tmp_path)
    assert str(tmp_path / "new" / "s.png") in shown.stdout.replace("\n", "") and (tmp_path / "new" / "s.png").is_file()
    (sheet).unlink()
    assert hw1cli("data", "inspect", tmp_path / "mine", "--no-sheet", cwd=tmp_path).returncode == 0
    assert not (sheet).exists()


def test_the_sheet_of_masks_shows_the_rarest_class_and_its_colour(tmp_path: Path) -> None:
    root = tmp_path / "frames"
    for split, count in (("train", 30), ("val", 1)):
        for number in range(count):
            paint(root / split / "images" / f"{number:02d}.png", (0, 0, 0), (40, 30))
            mask = np.zeros((30, 40), np.uint8)
            mask[:15] = 1
            if number == 13:
                mask[:, :20] = 2
            (root / split / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / split / "masks" / f"{number:02d}.png")
    found = inspect_data(root, tmp_path / "frames.png")
    assert found["splits"]["train"]["shares"]["class_2"] == pytest.approx(1 / 60)
    third = distinct_colors(3)[2]
    laid = tuple(round(0.6 * part) for part in third)  # upon black
    assert near(tmp_path / "frames.png", laid) > 2000 and near(tmp_path / "frames.png", third) > 50
