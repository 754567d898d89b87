"""Studies of folds: what they leave, and the folds as one model."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from runs import metrics, same, stopped_at, weights

import hw1cli as api
from registry.cli.commands.run import run_recipe
from registry.cli.main import main
from registry.engine.evaluate.run import RunQuestion, evaluate_run
from registry.errors import InputError, StoppedBySignal
from registry.recipe.request import Request
from registry.report.gather import gather
from registry.report.verdicts import of_study
from registry.results import suspects
from registry.results.runs import compare_runs, find_runs, read


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study of three folds over images of nine patients, four of each."""
    root = tmp_path_factory.mktemp("patients")
    generator = np.random.default_rng(0)
    for patient in range(9):
        channel, folder = patient % 3, root / "images" / ("red", "green", "blue")[patient % 3]
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            pixels = generator.integers(0, 120, (16, 16, 3), np.uint8)
            pixels[..., channel] += 30
            Image.fromarray(pixels).save(folder / f"p{patient}_{number}.png")
    recipe = root / "patients.yaml"
    recipe.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 2, batch_size: 8}}
        data: {{use: image_folders, root: {root}/images, train: ".", val: null}}
        split: {{folds: 3, group: '\\w+/(p\\d)_'}}
        model: {{use: resnet18, width: 8, stem: cifar}}
        runtime: {{device: cpu, precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW1CLI_CACHE", str(root / "cache"))
        run_recipe(Request(recipe, out=root / "study"))
    yield root / "study"


def test_each_training_image_is_out_of_fold_once_and_no_patient_is_in_two_folds(patients: Path) -> None:
    rows = rows_of(patients / "out_of_fold.csv")
    images = sorted(path.relative_to(patients.parent / "images") for path in patients.parent.glob("images/*/*.png"))
    assert [Path(row["name"]).stem for row in rows] == [path.stem for path in images] and len(rows) == 36
    fold_of_patient: dict[str, set[str]] = {}
    for row in rows:
        fold_of_patient.setdefault(Path(row["name"]).stem[:2], set()).add(row["fold"])
        shares = {name: float(row[f"probability/{name}"]) for name in ("red", "green", "blue")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
        assert row["prediction"] == max(shares, key=shares.__getitem__) and row["truth"] == row["name"].split("/")[0]
        assert float(row["probability_of_truth"]) == pytest.approx(shares[row["truth"]])
    assert all(len(folds) == 1 for folds in fold_of_patient.values()) and len(fold_of_patient) == 9
    scores = json.loads((patients / "out_of_fold.json").read_text())
    assert scores["scores"]["accuracy"] == pytest.approx(np.mean([int(row["right"]) for row in rows]))
    assert scores["images"] == 36 and scores["folds"] == 3


def test_a_study_of_folds_that_is_stopped_and_resumed_leaves_the_same(patients: Path, tmp_path: Path) -> None:
    request = Request(patients.parent / "patients.yaml", out=tmp_path / "study")
    with stopped_at(tmp_path / "study" / "fold=2" / "plan.json"), pytest.raises(StoppedBySignal, match="SIGTERM"):
        run_recipe(request)
    assert not (tmp_path / "study" / "out_of_fold.csv").exists() and not (tmp_path / "study" / "fold=3").exists()
    run_recipe(request)
    for name in ("out_of_fold.csv", "out_of_fold.json", "study.json"):
        assert (tmp_path / "study" / name).read_text() == (patients / name).read_text()
    for fold in ("fold=1", "fold=2", "fold=3"):
        assert metrics(tmp_path / "study" / fold) == metrics(patients / fold)
        assert same(weights(tmp_path / "study" / fold), weights(patients / fold))


def test_the_predictions_of_a_fold_are_those_of_the_run_that_held_it_out(patients: Path) -> None:
    rows = {row["name"]: row for row in rows_of(patients / "out_of_fold.csv") if row["fold"] == "2"}
    found = evaluate_run(RunQuestion(patients / "fold=2", probabilities=True), Console(quiet=True)).tally.rows
    assert {row["name"] for row in found} == rows.keys()
    assert all(float(rows[row["name"]]["probability/red"]) == row["probability/red"] for row in found)
    suspicious = suspects.of_run(patients)
    assert all(each["split"] == "train" for each in suspicious)


def test_folds_are_one_setting_with_mean_and_spread(patients: Path) -> None:
    runs = [read(folder) for folder in find_runs(patients)]
    scores = np.array([run.score for run in runs])
    (table,) = compare_runs(runs)["scores"]
    (setting,) = table["settings"]
    assert setting["mean"] == pytest.approx(scores.mean()) and setting["spread"] == pytest.approx(scores.std(ddof=1))
    assert [result["fold"] for result in setting["runs"]] == [1, 2, 3]
    (row,) = json.loads((patients / "study.json").read_text())["accuracy"]["settings"]
    assert (row["mean"], row["spread"]) == (setting["mean"], setting["spread"])
    words = " ".join(verdict.text for verdict in of_study(gather(runs)))
    assert f"Mean accuracy of 3 folds: {scores.mean():.4f}, standard deviation {scores.std(ddof=1):.4f}" in words


def test_the_ensemble_is_the_mean_of_its_folds(
    patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted(patients.parent.glob("images/*/*.png"))[:5]
    members = [api.load(patients / f"fold={fold}") for fold in (1, 2, 3)]
    mean = np.mean([[each.probabilities for each in member.predict(images)] for member in members], axis=0)
    found = np.array([each.probabilities for each in api.load(patients).predict(images)])
    assert np.abs(found - mean).max() < 1e-6 and np.abs(mean - members[0].predict(images)[0].probabilities).max() > 1e-4

    words = [str(patients / "fold=*"), *map(str, images), "--out", str(tmp_path / "labels.csv"), "--scores", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["predict", *words])
    assert ended.value.code == 0 and "the mean of those of 3 folds" in capsys.readouterr().err
    row = next(row for row in rows_of(tmp_path / "labels.csv") if row["filename"] == images[0].name)
    assert float(row["red"]) == pytest.approx(mean[0][members[0].classes.index("red")], abs=1e-5)


def test_the_ensemble_is_not_evaluated_on_what_its_folds_have_seen(patients: Path, colored_images: Path) -> None:
    with pytest.raises(InputError, match="folds have trained on all of its images"):
        evaluate_run(RunQuestion(patients), Console(quiet=True))
    other = evaluate_run(RunQuestion(patients, data=colored_images / "val", split="train"), Console(quiet=True))
    assert other.images == 12


def test_a_study_without_one_of_its_folds_is_no_ensemble(patients: Path, tmp_path: Path) -> None:
    for fold in (1, 3):
        (tmp_path / f"fold={fold}").symlink_to(patients / f"fold={fold}")
    with pytest.raises(InputError, match="lacks 1 of 3 folds: 2"):
        api.load(tmp_path)


def test_what_only_the_data_show_is_refused_with_its_line(patients: Path, tmp_path: Path) -> None:
    recipe = patients.parent / "patients.yaml"
    cases = {
        "divides data that have an evaluation split": ("data.val=.",),
        r"13 folds need as many images of each class: class blue has 12": ("split.folds=13", "split.group=null"),
        "10 folds need as many groups, and there are 9": ("split.folds=10",),
    }
    line = next(n for n, text in enumerate(recipe.read_text().splitlines(), 1) if text.startswith("split"))
    for message, sets in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            run_recipe(Request(recipe, sets, out=tmp_path / "out"))
        assert len(caught.value.problems) == 1 and caught.value.problems[0].path.startswith("split.")
        assert caught.value.problems[0].line == line or "split.folds" in sets[0], caught.value.problems
        assert not list((tmp_path / "out").glob("fold*"))


def test_masks_out_of_fold_have_a_score_of_each_image(
    stranger: None, recipe: Path, scenes: Path, tmp_path: Path
) -> None:
    sets = ("split={folds: 2}", "data.validation=null", "trainer.epochs=1", "augment=null")
    run_recipe(Request(recipe, sets, out=tmp_path / "study"))
    rows = rows_of(tmp_path / "study" / "out_of_fold.csv")
    names = sorted(re.sub("_sat", "", path.stem) for path in (scenes / "train").glob("*_sat.jpg"))
    assert [row["name"] for row in rows] == names and {row["fold"] for row in rows} == {"1", "2"}
    assert all(0 <= float(row["miou"]) <= 1 and 0 <= float(row["pixel_accuracy"]) <= 1 for row in rows)
    image = next((scenes / "train").glob("*_sat.jpg"))
    folds = [api.load(tmp_path / "study" / f"fold={fold}").predict(image).probabilities for fold in (1, 2)]
    assert np.abs(api.load(tmp_path / "study").predict(image).probabilities - np.mean(folds, axis=0)).max() < 1e-5
