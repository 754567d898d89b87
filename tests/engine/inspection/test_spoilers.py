"""What spoils a study: planted duplicates, leaks, odd sizes, rare classes and wrong labels are found, and shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import train

from plugins.folders.digits import Digits
from registry.cli.commands.data import inspect_data
from registry.cli.main import main
from registry.errors import InputError
from registry.results.suspects import of_run, suspicious


def photograph(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth picture of its own."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Forty pictures of two classes, no two alike."""
    root, seed = tmp_path / "photographs", 0
    for split, number in (("train", 14), ("val", 6)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for at in range(number):
                seed += 1
                photograph(seed).save(root / split / name / f"{at}.png")
    return root


def groups(root: Path) -> list[tuple[str, list[str], bool, bool, list[str]]]:
    found = inspect_data(root)["duplicates"]
    return [
        (each["kind"], each["how"], each["leak"], each["conflict"], [image["name"] for image in each["images"]])
        for each in found
    ]


def test_pictures_of_their_own_are_no_duplicates(photographs: Path) -> None:
    found = inspect_data(photographs)
    assert found["compared"] == 40 and found["duplicates"] == [] and found["odd_sizes"] == [] == found["classes"]


def flipped(image: Image.Image, how: Image.Transpose = Image.Transpose.FLIP_LEFT_RIGHT) -> Image.Image:
    return image.transpose(how)


@pytest.mark.parametrize(
    ("change", "ending", "kind", "how"),
    [
        (lambda image: image, "png", "exact", []),
        (lambda image: image, "jpg", "near", []),
        (lambda image: image.resize((40, 30)), "png", "near", []),
        (lambda image: image.resize((150, 100)), "jpg", "near", []),
        (flipped, "png", "near", ["mirrored"]),
        (lambda image: flipped(image.resize((40, 30))), "jpg", "near", ["mirrored"]),
        (lambda image: flipped(image, Image.Transpose.FLIP_TOP_BOTTOM), "png", "near", ["upside down"]),
        (lambda image: flipped(image, Image.Transpose.ROTATE_180), "png", "near", ["turned by 180 degrees"]),
    ],
)
def test_a_planted_duplicate_is_found(
    photographs: Path, change: Callable, ending: str, kind: str, how: list[str]
) -> None:
    source = photographs / "train" / "cat" / "3.png"
    planted = photographs / "val" / "cat" / f"planted.{ending}"
    with Image.open(source) as image:
        shutil.copy(source, planted) if kind == "exact" else change(image).save(
            planted, **({"quality": 60} if ending == "jpg" else {})
        )
    (found,) = groups(photographs)
    assert found[:4] == (kind, how, True, False) and {Path(name).name for name in found[4]} == {"3.png", planted.name}


def test_duplicates_of_different_labels_within_a_split_are_a_conflict(photographs: Path) -> None:
    shutil.copy(photographs / "train" / "cat" / "0.png", photographs / "train" / "dog" / "again.png")
    ((kind, _, leak, conflict, names),) = groups(photographs)
    assert kind == "exact" and not leak and conflict and len(names) == 2


def test_odd_sizes_and_rare_classes(photographs: Path) -> None:
    photograph(99, (640, 48)).save(photographs / "train" / "cat" / "banner.png")
    for at in range(1, 14):
        (photographs / "train" / "dog" / f"{at}.png").unlink()
    for at in range(2, 6):
        (photographs / "val" / "cat" / f"{at}.png").unlink()
    found = inspect_data(photographs)
    assert [(Path(row["name"]).name, row["size"]) for row in found["odd_sizes"]] == [("banner.png", "640x48")]
    assert found["classes"] == [
        "train: 15 images of cat, 1 of dog; see trainer.sampling: balanced",
        "val: fewer than 5 images of 1 of 2 classes: cat",
    ]


def test_suspicious_labels_are_those_of_confident_learning() -> None:
    def row(name: str, truth: str, prediction: str, probability: float, of_truth: float) -> dict[str, str]:
        numbers = {"probability": str(probability), "probability_of_truth": str(of_truth)}
        return {"name": name, "truth": truth, "prediction": prediction, **numbers}

    sure = [row(f"a{at}", "a", "a", 0.9, 0.9) for at in range(9)] + [
        row(f"b{at}", "b", "b", 0.8, 0.8) for at in range(9)
    ]
    wrong, worse, unsure = (
        row("wrong", "a", "b", 0.85, 0.15),
        row("worse", "b", "a", 0.99, 0.01),
        row("unsure", "b", "a", 0.6, 0.4),
    )
    found = suspicious([*sure, wrong, unsure, worse])
    assert [each["name"] for each in found] == ["worse", "wrong"], "unsure is less than a's usual probability"
    numbers = {"probability": 0.99, "probability_of_label": 0.01}
    assert found[0] == {"split": "val", "name": "worse", "label": "b", "prediction": "a", **numbers}


def test_planted_wrong_labels_are_the_first_ones_of_a_trained_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Handwritten digits of two classes; of three evaluation images the name, which has the class, is changed."""
    monkeypatch.setenv("HW1CLI_CACHE", str(tmp_path / "cache"))
    Digits(16, digits=[0, 1]).make(tmp_path / "digits")
    images = sorted((tmp_path / "digits" / "val_50").glob("0_*.png"))
    planted = {path.rename(path.with_name(f"1_9{path.name[2:]}")).name for path in images[::10][:3]}
    recipe = tmp_path / "digits.yaml"
    recipe.write_text(f"""
trainer: {{use: classification, epochs: 3, batch_size: 32}}
data: {{use: labelled_names, root: {tmp_path}/digits}}
model: {{use: resnet18, width: 8, stem: cifar}}
optimizer: {{use: adamw, lr: 3e-3}}
reports: [confusion_matrix]
runtime: {{device: cpu, precision: fp32, memory_format: contiguous, workers: 0}}
""")
    train(recipe, tmp_path / "run")
    found = of_run(tmp_path / "run")
    assert {each["name"] for each in found[:3]} == planted and len(planted) == 3
    assert all((each["label"], each["prediction"], each["split"]) == ("1", "0", "val") for each in found[:3])
    with pytest.raises(SystemExit) as ended:
        main(["data", "inspect", str(tmp_path / "digits"), "--no-sheet", "--run", str(tmp_path / "run")])
    shown = [line for line in capsys.readouterr().out.splitlines() if ": labelled " in line]
    assert ended.value.code == 0 and all(any(name in line for line in shown[:3]) for name in planted), shown


def test_a_run_without_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hw1cli evaluate"):
        of_run(tmp_path)


def test_the_page_shows_what_was_found(photographs: Path, hw1cli: Callable, tmp_path: Path) -> None:
    shutil.copy(photographs / "train" / "cat" / "0.png", photographs / "val" / "dog" / "<b>.png")
    folder = tmp_path / "run" / "evaluation" / "val"
    folder.mkdir(parents=True)
    header = "name,truth,prediction,right,probability,probability_of_truth\n"
    (folder / "per_image.csv").write_text(f"{header}cat/1.png,cat,cat,1,0.9,0.9\ndog/1.png,dog,cat,0,0.95,0.05\n")
    out = tmp_path / "page.html"
    done = hw1cli("data", "inspect", photographs, "--no-sheet", "--run", tmp_path / "run", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "1 group of images in train and val alike (leaks)" in done.stdout
    assert "dog/1.png: labelled dog, predicted cat (0.95)" in done.stdout
    text = out.read_text()
    assert "<strong>leak</strong>, <strong>different labels</strong>, exact" in text and text.count("<img") == 3
    assert "&lt;b&gt;.png" in text and "<b>.png" not in text and 'src="http' not in text
    answer = hw1cli("data", "inspect", photographs, "--no-sheet", "--json")
    assert json.loads(answer.stdout)["problems"][0].startswith("1 group of images in train and val alike")
