"""Several labels of an image: read from csv, learned with sigmoids, scored by mAP, predicted, evaluated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from runs import train
from sklearn.metrics import average_precision_score

from plugins.folders.csv_multilabels import CsvMultilabels
from plugins.metrics.average_precision import MeanAveragePrecision
from registry.cli.commands.evaluate import evaluate
from registry.cli.commands.predict import predict
from registry.engine.data.facts import completed_facts
from registry.errors import InputError

COLORS = ("blue", "green", "red")


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """Images with a patch of each colour that they are labelled with, at random places; some have none."""
    generator, root = np.random.default_rng(0), tmp_path / "patches"
    for split, count in (("train", 48), ("val", 16)):
        (root / split).mkdir(parents=True)
        rows = []
        for index in range(count):
            pixels, labels = generator.integers(0, 40, (16, 16, 3), np.uint8), []
            for channel, name in enumerate(("red", "green", "blue")):
                if generator.random() < 0.4:
                    y, x = generator.integers(0, 10, 2)
                    pixels[y : y + 6, x : x + 6, channel] = 230
                    labels.append(name)
            Image.fromarray(pixels).save(root / split / f"{index:02}.png")
            rows.append(f"{index:02}.png,{'; '.join(labels)}")
        (root / f"{split}.csv").write_text("\n".join(["filename,labels", *rows]) + "\n")
    return root


@pytest.fixture
def recipe_of_patches(patches: Path, tmp_path: Path) -> Path:
    path = tmp_path / "patches.yaml"
    path.write_text(f"""
trainer: {{use: multilabel, epochs: 25, batch_size: 8, evaluate_every: 5}}
data: {{use: csv_multilabels, root: {patches}, label_column: labels}}
model: {{use: classifier, backbone: stranger_net}}
loss: {{use: binary_cross_entropy, positive_weight: 1.5}}
optimizer: {{use: adamw, lr: 1e-2}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
""")
    return path


def test_run_learns_predicts_and_evaluates_several_labels(
    stranger: None, recipe_of_patches: Path, patches: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    summary = train(recipe_of_patches, run)
    assert summary["monitor"] == "map" and summary["best"]["map"] > 0.9
    assert {"ap/blue", "ap/green", "ap/red"} <= set(summary["last"])
    words = [str(run), str(patches / "val"), "--out", str(tmp_path / "out"), "--scores"]
    done = CliRunner().invoke(predict, words)
    assert done.exit_code == 0, done.output
    truth = {row["filename"]: row["labels"] for row in csv.DictReader((patches / "val.csv").open())}
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open()))
    right = 0
    for row in rows:
        assert row["label"] == ";".join(name for name in COLORS if float(row[name]) >= 0.5)
        flags = [(name in truth[row["filename"]]) == (name in row["label"]) for name in COLORS]
        right += sum(flags)
    assert right / (3 * len(rows)) > 0.85 and any(";" in row["label"] for row in rows)
    done = CliRunner().invoke(evaluate, [str(run), "--out", str(tmp_path / "scores")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert found["scores"]["map"] == pytest.approx(summary["best"]["map"], abs=1e-6)


def test_map_is_the_mean_of_scikit_learns_average_precisions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    target = (torch.rand(50, 4, generator=generator) < 0.3).long()
    target[:, 3] = 0  # occurs nowhere
    metric = MeanAveragePrecision(list("abcd"))
    for part in range(0, 50, 16):
        metric.update(logits[part : part + 16], target[part : part + 16])
    scores = metric.compute()
    expected = [average_precision_score(target[:, c], logits[:, c]) for c in range(3)]
    assert [scores[f"ap/{name}"] for name in "abc"] == pytest.approx(expected, abs=1e-5)
    assert "ap/d" not in scores and scores["map"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_labels_are_flags_in_the_order_of_the_classes(patches: Path) -> None:
    data = CsvMultilabels(patches, ("train", "train.csv"), ("val", "val.csv"), ";", None, "labels")
    assert data.facts["class_names"] == list(COLORS)
    train_split = data.split("train")
    assert train_split is not None and set(train_split.labels) > {(0, 0, 0)}
    counts = completed_facts(data)["class_counts"]()
    assert counts == np.sum(train_split.labels, axis=0).tolist()


def test_problems_of_a_table_are_reported_together(patches: Path) -> None:
    with (patches / "val.csv").open("a") as file:
        file.write("00.png,red\nmissing.png,red\n03.jpg;,gren\n")
    with pytest.raises(InputError) as caught:
        CsvMultilabels(patches, ("train", "train.csv"), ("val", "val.csv"), ";", None, "labels")
    text = str(caught.value)
    assert "is listed here and in line 2" in text and "missing.png" in text


def test_data_with_one_label_is_a_problem(stranger: None, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several labels each"):
        train(shapes, tmp_path / "run", "trainer={use: multilabel}", "loss=binary_cross_entropy")
