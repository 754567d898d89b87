"""Several labels of an image: read from csv, learned with sigmoids, scored by mAP, predicted, evaluated."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from exports import as_stranger, exported
from PIL import Image
from runs import train
from scoring import call
from sklearn.metrics import average_precision_score, f1_score, recall_score

import hw1cli as api
from plugins.folders.csv_multilabels import CsvMultilabels
from plugins.folders.guesses import csv_labels, csv_multilabels
from plugins.metrics.average_precision import MeanAveragePrecision
from registry.engine.data.facts import completed_facts
from registry.errors import InputError

COLORS = ("blue", "green", "red")


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with a patch of each colour that they are labelled with, at random places; some have none."""
    generator, root = np.random.default_rng(0), tmp_path_factory.mktemp("several") / "patches"
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
        (root / f"{split}.csv").write_text("\n".join(["filename,label", *rows]) + "\n")
    return root


@pytest.fixture(scope="module")
def run(patches: Path) -> Path:
    """A run that has learned the patches."""
    recipe = patches.parent / "patches.yaml"
    recipe.write_text(f"""
trainer: {{use: multilabel, epochs: 12, batch_size: 8, evaluate_every: 6, threshold: 0.4}}
data: {{use: csv_multilabels, root: {patches}}}
model: {{use: classifier, backbone: {{use: resnet18, width: 8}}}}
loss: {{use: binary_cross_entropy, positive_weight: 1.5}}
optimizer: {{use: adamw, lr: 1e-2}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0, cache: "off"}}
""")
    summary = train(recipe, patches.parent / "run")
    assert summary["monitor"] == "map" and summary["best"]["map"] > 0.8
    assert {"ap/blue", "ap/green", "ap/red"} <= set(summary["last"])
    return patches.parent / "run"


@pytest.fixture(scope="module")
def predicted(run: Path, patches: Path) -> Path:
    """What ``predict --scores`` writes for the evaluation images."""
    out = run.parent / "predicted.csv"
    done = call("predict", run, patches / "val", "--out", out, "--scores")
    assert done.code == 0, done.err
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def flags(texts: list[str]) -> np.ndarray:
    return np.array([[name in text.split(";") for name in COLORS] for text in texts])


def test_predict_writes_every_label_from_the_threshold_on(predicted: Path) -> None:
    rows = rows_of(predicted)
    for row in rows:
        assert row["label"] == ";".join(name for name in COLORS if float(row[name]) >= 0.4)
    assert any(";" in row["label"] for row in rows)


def test_evaluate_scores_each_class_and_each_image(run: Path, patches: Path, predicted: Path, tmp_path: Path) -> None:
    done = call("evaluate", run, "--out", tmp_path / "scores", "--json")
    assert done.code == 0, done.err
    found, summary = json.loads(done.out), json.loads((run / "summary.json").read_text())
    assert found["kind"] == "multilabel" and found["scores"]["map"] == pytest.approx(summary["best"]["map"], abs=1e-6)
    truth = flags([row["label"].replace("; ", ";") for row in rows_of(patches / "val.csv")])
    given = flags([row["label"] for row in rows_of(predicted)])
    assert found["scores"]["macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))
    assert found["scores"]["micro_f1"] == pytest.approx(f1_score(truth, given, average="micro"))
    assert found["scores"]["exact_match"] == pytest.approx((truth == given).all(1).mean())
    recalls = recall_score(truth, given, average=None)
    assert [found["classes"][name]["recall"] for name in COLORS] == pytest.approx(list(recalls))
    rows = rows_of(tmp_path / "scores" / "per_image.csv")
    assert [row["prediction"] for row in rows] == [row["label"] for row in rows_of(predicted)]
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {"scores.json", "per_image.csv", "worst.png"}
    assert rows[[row["name"] for row in rows].index(found["worst"][0])]["right"] == "0" or (truth == given).all()
    # The same from files, without a model.
    words = (
        "evaluate",
        "--predictions",
        predicted,
        "--truth",
        patches / "val.csv",
        "--out",
        tmp_path / "files",
        "--json",
    )
    done = call(*words, "--separator", ";", "--images", patches / "val")
    assert done.code == 0, done.err
    own = json.loads(done.out)["scores"]
    assert own == {name: found["scores"][name] for name in own} and "micro_f1" in own
    assert "--separator ';'" in call(*words, "--force").err


def test_exported_file_predicts_and_scores_as_the_run(
    run: Path, patches: Path, predicted: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "patches.onnx"
    assert exported(run, file)["difference"] < 1e-4
    files = sorted((patches / "val").iterdir())
    texts = as_stranger(tmp_path / "patches_example.py", [(path,) for path in files], without=("torch", "cv2"))
    assert [text.splitlines()[0] for text in texts] == [row["label"] for row in rows_of(predicted)]
    assert "threshold of every class is 0.4" in (tmp_path / "patches.md").read_text()
    assert call("predict", file, patches / "val", "--out", tmp_path / "own.csv").code == 0
    assert [row["label"] for row in rows_of(tmp_path / "own.csv")] == [row["label"] for row in rows_of(predicted)]
    done = call("evaluate", file, "--out", tmp_path / "scores", "--json")
    assert done.code == 0, done.err
    best = json.loads((run / "summary.json").read_text())["best"]
    own = json.loads(done.out)["scores"]
    assert own["map"] == pytest.approx(best["map"], abs=1e-4) and own["loss"] == pytest.approx(
        best["val_loss"], abs=1e-3
    )


def test_python_gives_all_labels_of_an_image(run: Path, patches: Path, predicted: Path) -> None:
    rows = rows_of(predicted)
    several = next(row for row in rows if ";" in row["label"])
    one = api.load(run, device="cpu").predict(patches / "val" / several["filename"])
    assert one.labels == several["label"].split(";") and one.label is None and one.index is None and one.mask is None
    assert one.probabilities == pytest.approx([float(several[name]) for name in COLORS], abs=1e-4)
    assert repr(one.labels[0]) in repr(one) and one._repr_png_().startswith(b"\x89PNG")


def test_inspect_recognises_and_counts_them(patches: Path, tmp_path: Path) -> None:
    done = call("data", "inspect", patches, "--sheet", tmp_path / "sheet.png", "--json")
    assert done.code == 0, done.err
    found, rows = json.loads(done.out), rows_of(patches / "train.csv")
    assert found["data"] == {"use": "csv_multilabels", "root": str(patches)}
    own = found["splits"]["train"]
    assert own["counts"] == {name: sum(name in row["label"] for row in rows) for name in COLORS}
    assert own["unlabelled"] == sum(not row["label"] for row in rows)
    assert Image.open(tmp_path / "sheet.png").width > 300


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["a|b", "a", "b"], "|"),
        (["a, b", "b", "a"], ","),
        (["Paris, France", "Nice, France"], None),
        (["a", "b"], None),
    ],
)
def test_a_cell_holds_several_labels_where_its_parts_recur(
    cells: list[str], separator: str | None, patches: Path, tmp_path: Path
) -> None:
    shutil.copytree(patches / "train", tmp_path / "train")
    rows = [f'{index:02}.png,"{cell}"' for index, cell in enumerate(cells)]
    (tmp_path / "train.csv").write_text("\n".join(["filename,label", *rows]) + "\n")
    guessed = csv_multilabels(tmp_path)
    assert (guessed or {}).get("separator") == separator
    assert (csv_labels(tmp_path) is None) == (separator is not None)


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
    data = CsvMultilabels(patches, ("train", "train.csv"), ("val", "val.csv"), ";", None, "label")
    assert data.facts["class_names"] == list(COLORS)
    train_split = data.split("train")
    assert train_split is not None and set(train_split.labels) > {(0, 0, 0)}
    counts = completed_facts(data)["class_counts"]()
    assert counts == np.sum(train_split.labels, axis=0).tolist()


def test_problems_of_a_table_are_reported_together(patches: Path, tmp_path: Path) -> None:
    patches = shutil.copytree(patches, tmp_path / "copy")
    with (patches / "val.csv").open("a") as file:
        file.write("00.png,red\nmissing.png,red\n03.jpg;,gren\n")
    with pytest.raises(InputError) as caught:
        CsvMultilabels(patches, ("train", "train.csv"), ("val", "val.csv"), ";")
    text = str(caught.value)
    assert "is listed here and in line 2" in text and "missing.png" in text


def test_data_with_one_label_is_a_problem(stranger: None, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several labels each"):
        train(shapes, tmp_path / "run", "trainer={use: multilabel}", "loss=binary_cross_entropy")
