"""``evaluate RUN``: a run scores as it did in training, on its own data and on others."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from runs import train
from scoring import call

from plugins.hw1.landcover import CLASS_COLORS, CLASS_NAMES

QUIET = Console(quiet=True)


def best_row(run: Path, by: str) -> dict[str, float]:
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    return {name: float(value) for name, value in max(rows, key=lambda row: float(row[by])).items() if value}


def test_a_segmentation_run_scores_as_it_did_in_training(
    stranger: None, recipe: Path, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(scenes, tmp_path / "data")
    for path in (tmp_path / "data" / "validation").glob("*_mask.png"):
        mask = np.array(Image.open(path))
        mask[:20] = 0  # unknown, which is ignored
        Image.fromarray(mask).save(path)
    sets = (f"data.root={tmp_path / 'data'}", "trainer.eval_batch_size=3")
    train(recipe, run, "metrics=[{use: miou, ignored_pixels: count_against}]", *sets)
    called = call("evaluate", run, "--worst", 3, "--json", "--device", "cpu")
    assert called.code == 0, called.err
    found, row = json.loads(called.out), best_row(run, "miou")
    row["loss"] = row.pop("val_loss")
    shared = found["scores"].keys() & row.keys()
    assert {"miou", "pixel_accuracy", "loss", "iou/water"} <= shared
    assert {name: found["scores"][name] for name in shared} == pytest.approx({n: row[n] for n in shared}, abs=1e-6)
    # The matrix was collected on the way, and by the rule of the run's metric.
    kept = [own["iou"] for own in found["classes"].values() if own["in_mean"] and own["iou"] is not None]
    assert np.mean(kept) == pytest.approx(row["miou"], abs=1e-6) and found["ignored_pixels"] == "count_against"
    truth = [np.array(Image.open(path)) for path in (tmp_path / "data" / "validation").glob("*_mask.png")]
    held = {
        name: int((np.stack(truth) == color).all(-1).sum())
        for name, color in zip(CLASS_NAMES, CLASS_COLORS, strict=True)
    }
    assert {name: own["truth"] for name, own in found["classes"].items()} == held and held["unknown"] > 4000
    folder = run / "evaluation" / "val"
    rows = list(csv.DictReader((folder / "per_image.csv").open()))
    assert sorted(rows, key=lambda r: float(r["miou"]))[0]["name"] == found["worst"][0] and len(found["worst"]) == 3
    assert {path.name for path in folder.iterdir()} == {
        *("scores.json", "per_image.csv", "confusion_matrix.csv", "confusion_matrix.png", "worst.png")
    }
    assert all(min(Image.open(folder / name).size) > 300 for name in ("confusion_matrix.png", "worst.png"))

    other = json.loads(call("evaluate", run, "--ignored-pixels", "leave_out", "--json").out)["scores"]
    assert other["miou"] > found["scores"]["miou"] and "iou/water" not in other

    # Masks in files are scored by the rule of the run that they are like, unless another one is asked for.
    (tmp_path / "masks").mkdir()
    for path in (tmp_path / "data" / "validation").glob("*_mask.png"):
        mask = np.array(Image.open(path))
        mask[:20] = CLASS_COLORS[0]
        Image.fromarray(mask).save(tmp_path / "masks" / path.name)
    asked = ("--predictions", tmp_path / "masks", "--truth", tmp_path / "data" / "validation", "--like", run, "--json")
    found = {}
    for rule in ((), ("--ignored-pixels", "count_against"), ("--ignored-pixels", "leave_out")):
        answer = call("evaluate", *asked, "--out", tmp_path / "out", "--force", *rule)
        assert answer.code == 0, answer.err
        found[rule[-1:]] = json.loads(answer.out)["scores"]["miou"]
    assert found[()] == found[("count_against",)] < found[("leave_out",)] == 1.0


def test_other_data_and_the_training_split_can_be_evaluated(
    stranger: None, recipe: Path, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(recipe, run, "trainer.epochs=1")
    shutil.copytree(scenes, tmp_path / "less")
    first = sorted((tmp_path / "less" / "validation").iterdir())[:2]
    for path in first:
        path.unlink()
    assert json.loads(call("evaluate", run, "--split", "train", "--json").out)["images"] == 9
    called = call("evaluate", run, "--data", tmp_path / "less")
    assert called.code == 0 and "3 images" in called.out and (run / "evaluation" / "val-less" / "worst.png").exists()
    gone = call("evaluate", run, "--data", tmp_path / "none")
    assert gone.code == 2 and "is not a directory" in gone.err
    assert call("evaluate", tmp_path).code == 2


def test_metrics_of_torchmetrics_in_training_are_those_of_evaluate(
    stranger: None, recipe: Path, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    metrics = "metrics=[{use: torchmetrics/MulticlassF1Score, average: macro}, miou]"
    train(recipe, run, metrics, "optimizer={use: timm/lion, lr: 1e-4}")
    called = call("evaluate", run, "--json", "--device", "cpu")
    assert called.code == 0, called.err
    scores, row = json.loads(called.out)["scores"], best_row(run, "MulticlassF1Score")
    for name in ("MulticlassF1Score", "miou", "dice", "pixel_accuracy", "iou/water"):
        assert scores[name] == row[name], name


def test_features_as_wide_as_the_classes_are_many_are_not_taken_for_logits(
    stranger: None,
    colored_images: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(colored_images, tmp_path / "four")
    for split in ("train", "val"):
        shutil.copytree(colored_images / split / "red", tmp_path / "four" / split / "yellow")
    run = tmp_path / "run"
    recipe = tmp_path / "byol.yaml"
    recipe.write_text(
        f"""
trainer: {{use: byol, epochs: 1, batch_size: 5, hidden_dim: 32, output_dim: 8}}
data: {{use: image_folders, root: {tmp_path / "four"}}}
backbone: {{use: stranger_net, width: 1}}
optimizer: {{use: adam, lr: 1e-3}}
augment: {{eval: []}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
"""
    )
    train(recipe, run)
    called = call("evaluate", run, "--json", "--device", "cpu")
    assert called.code == 0, called.err
    found = json.loads(called.out)
    assert found["kind"] is None and "classes" not in found and found["scores"]["spread"] > 0
    refused = call("predict", run, tmp_path / "four" / "val" / "red", "--out", tmp_path / "labels.csv")
    assert refused.code == 2 and "is a run of byol, which does not predict classes" in refused.err
    assert not (tmp_path / "labels.csv").exists()


def test_a_classification_run_scores_as_it_did_in_training(
    stranger: None, shapes: Path, colored_images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(shapes, run, "trainer.epochs=2", "trainer.batch_size=5")
    called = call("evaluate", run)
    assert called.code == 0 and "balanced_accuracy" in called.out and "green" in called.out
    found, row = json.loads((run / "evaluation/val/scores.json").read_text()), best_row(run, "accuracy")
    row["loss"] = row.pop("val_loss")
    shared = found["scores"].keys() & row.keys()
    assert {"accuracy", "balanced_accuracy", "loss", "accuracy/red"} <= shared and found["epoch"] == row["epoch"]
    assert {name: found["scores"][name] for name in shared} == pytest.approx({n: row[n] for n in shared}, abs=1e-6)
    rows = list(csv.DictReader((run / "evaluation/val/per_image.csv").open()))
    assert np.mean([int(r["right"]) for r in rows]) == pytest.approx(row["accuracy"])
    assert all(r["truth"] == r["name"].split("/")[0] for r in rows) and {r["right"] for r in rows} == {"0", "1"}
    assert all((float(r["probability_of_truth"]) == float(r["probability"])) == int(r["right"]) for r in rows)
    assert min(rows, key=lambda r: float(r["probability_of_truth"]))["name"] == found["worst"][0]

    shutil.copytree(colored_images, tmp_path / "fewer")
    for split in ("train", "val"):
        shutil.rmtree(tmp_path / "fewer" / split / "red")
    refused = call("evaluate", run, "--data", tmp_path / "fewer")
    assert refused.code == 2 and "blue, green" in refused.err and "blue, green, red" in refused.err
