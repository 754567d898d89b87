"""evaluate: a run scores as it did in training, files score by the formula, and problems are reported together."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image
from rich.console import Console
from runs import train
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

import hw1cli as command_line
from plugins.hw1.landcover import CLASS_COLORS, CLASS_NAMES
from plugins.metrics.miou import MeanIoU
from registry.engine.data.classes import Classes, KnownClasses, parse_classes
from registry.engine.data.drawing import save
from registry.engine.evaluate.confusion import Confusion
from registry.engine.evaluate.figures import Example, draw_confusion, draw_examples
from registry.engine.evaluate.files import Question, compare
from registry.engine.evaluate.metrics import count_images
from registry.errors import InputError

QUIET = Console(quiet=True)


def call(*words: Any) -> SimpleNamespace:
    result = CliRunner().invoke(command_line.main, [str(word) for word in words])
    return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)


def by_hand(truth: np.ndarray, predicted: np.ndarray, ignored: int | None, count_against: bool) -> dict[int, float]:
    """IoU of each class but the ignored one, pixel sets taken literally."""
    ious = {}
    for label in set(np.unique(truth)) | set(np.unique(predicted)):
        if label == ignored:
            continue
        counted = (predicted == label) & (count_against | (truth != ignored))
        either = (counted | (truth == label)).sum()
        if either:
            ious[int(label)] = (counted & (truth == label)).sum() / either
    return ious


@pytest.mark.parametrize("count_against", [False, True])
@pytest.mark.parametrize("ignored", [None, 2, 255])
def test_scores_are_the_formulas_and_the_trainings(ignored: int | None, count_against: bool) -> None:
    generator = np.random.default_rng(1)
    truth = generator.choice([0, 1, 2, 3, 5, *([ignored] if ignored else [])], (3, 20, 30))
    predicted = generator.choice(
        [0, 1, 2, 3, 4, 6], (3, 20, 30)
    )  # 5 never predicted, 4 and 6 nowhere true, 7 in neither
    names = list("abcdefgh")
    classes = Classes.of(names, ignore_index=ignored, count_against=count_against)
    indices = np.where(truth == 255, 8, truth)
    confusion = Confusion.of(indices, predicted, classes)
    expected = by_hand(truth, predicted, ignored, count_against)
    scores, own = confusion.mask_scores(), confusion.by_class
    assert {names.index(name): each.iou for name, each in own.items() if each.in_mean and each.iou is not None} == {
        label: pytest.approx(value) for label, value in expected.items()
    }
    assert scores["miou"] == pytest.approx(np.mean(list(expected.values())))
    assert confusion.nowhere_true() == (["e", "g"], ["h"])

    metric = MeanIoU(8, names, ignored, count_against, per_class=("iou", "dice"))
    metric.update(torch.nn.functional.one_hot(torch.tensor(predicted), 8).movedim(3, 1).float(), torch.tensor(truth))
    computed = metric.compute()
    assert all(scores[name] == computed[name] for name in ("miou", "dice", "pixel_accuracy"))
    assert confusion.of_classes("iou") == {name: computed[f"iou/{name}"] for name in names if f"iou/{name}" in computed}

    known = truth != ignored
    matrices = np.stack([Confusion.of(*pair, classes).counts for pair in zip(truth, predicted, strict=True)])
    literal = [
        jaccard_score(t[k], p[k], labels=np.unique(t[k]), average="macro")
        for t, p, k in zip(truth, predicted, known, strict=True)
    ]
    assert [Confusion(each, classes).image_iou for each in matrices] == pytest.approx(literal)
    assert (count_images(torch.tensor(predicted), torch.tensor(truth), classes).numpy() == matrices).all()


def test_label_scores_are_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 5, 80), generator.integers(0, 6, 80)
    scores = Confusion.of(truth, predicted, Classes.of(list("abcdefg"))).label_scores()
    with pytest.warns(UserWarning, match="not in y_true"):
        assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores["accuracy"] == pytest.approx((truth == predicted).mean())
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))


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


COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)], np.uint8)


@pytest.fixture
def masks(tmp_path: Path) -> Callable[..., tuple[Path, Path, list[np.ndarray], list[np.ndarray]]]:
    """masks(as_colors): folders of 3 predicted and true masks of labels 0..3, and their labels."""

    def make(as_colors: bool) -> tuple[Path, Path, list[np.ndarray], list[np.ndarray]]:
        generator = np.random.default_rng(3)
        folders = tmp_path / "predictions", tmp_path / "truth"
        labels: tuple[list[np.ndarray], ...] = ([], [])
        for folder, found, ending in zip(folders, labels, ("", "_mask"), strict=True):
            folder.mkdir()
            for number in range(3):
                mask = generator.integers(0, 4, (12, 16)).astype(np.uint8)
                found.append(mask)
                Image.fromarray(COLORS[mask] if as_colors else mask).save(folder / f"{number:04d}{ending}.png")
        for number in range(3):
            Image.new("RGB", (16, 12), "grey").save(folders[1] / f"{number:04d}_sat.jpg")
        return folders[0], folders[1], labels[0], labels[1]

    return make


@pytest.mark.parametrize("count_against", [False, True])
@pytest.mark.parametrize(("as_colors", "ignore"), [(True, "#000000"), (False, "3")])
def test_folders_of_masks_score_by_the_formula(
    masks: Callable[..., Any], as_colors: bool, ignore: str, count_against: bool, tmp_path: Path
) -> None:
    predictions, truth, predicted, true = masks(as_colors)
    found = compare(Question(predictions, truth, ignore=ignore, count_against=count_against), QUIET)
    ious = by_hand(np.stack(true), np.stack(predicted), 3, count_against)
    assert found.scores["miou"] == pytest.approx(np.mean(list(ious.values()))) and found.images == 3
    assert found.tally is not None and found.tally.confusion.by_class["#00ff00" if as_colors else "1"].iou == ious[1]
    assert [example.image is not None for example in found.worst] == [True] * 3  # found beside the masks
    rule = "count_against" if count_against else "leave_out"
    words = ("--predictions", predictions, "--truth", truth, "--ignore", ignore, "--ignored-pixels", rule)
    called = call("evaluate", *words, "--out", tmp_path / "out", "--json")
    assert json.loads(called.out)["scores"]["miou"] == pytest.approx(found.scores["miou"])
    assert (tmp_path / "out" / "worst.png").exists()


def test_classes_of_a_run_read_colours_palettes_and_values_alike(masks: Callable[..., Any], tmp_path: Path) -> None:
    predictions, truth, predicted, true = masks(True)
    facts = {"class_names": list("rgbk"), "class_colors": COLORS.tolist(), "ignore_index": 3}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text(json.dumps({"facts": facts}))
    palette = Image.fromarray(predicted[0])
    palette.putpalette(COLORS.ravel().tolist())
    palette.save(predictions / "0000.png")
    Image.fromarray(predicted[1]).save(predictions / "0001.png")
    words = ("--predictions", predictions, "--truth", truth, "--like", tmp_path / "run", "--out", tmp_path / "out")
    found = json.loads(call("evaluate", *words, "--json").out)
    ious = by_hand(np.stack(true), np.stack(predicted), 3, False)
    assert [found["classes"][name]["iou"] for name in "rgb"] == pytest.approx([ious[label] for label in range(3)])
    assert found["ignored"] == "k"
    assert parse_classes("r=#ff0000,g=#00ff00") == KnownClasses(["r", "g"], [(255, 0, 0), (0, 255, 0)], given=True)


def test_masks_like_a_run_are_scored_without_the_classes_that_its_metric_leaves_out(
    masks: Callable[..., Any], tmp_path: Path
) -> None:
    predictions, truth, predicted, true = masks(False)
    run = tmp_path / "run"
    run.mkdir()
    facts = {"class_names": list("rgbk"), "ignore_index": 3}
    (run / "environment.json").write_text(json.dumps({"facts": facts}))
    metric = {"kind": "metrics", "arguments": {"ignored_pixels": "count_against", "left_out": ["g", "k"]}}
    loss = {"kind": "losses", "arguments": {"ignored_pixels": "leave_out"}}
    plan = {"trainer": {"kind": "trainers", "arguments": {"loss": loss, "metrics": [metric]}}}
    (run / "plan.json").write_text(json.dumps(plan))
    ious = by_hand(np.stack(true), np.stack(predicted), 3, True)
    words = (
        "--predictions",
        predictions,
        "--truth",
        truth,
        "--like",
        run,
        "--out",
        tmp_path / "out",
        "--force",
        "--json",
    )
    for rule, left_out in (((), {"g", "k"}), (("--ignored-pixels", "leave_out"), {"k"})):
        found = json.loads(call("evaluate", *words, *rule).out)
        assert {name for name, own in found["classes"].items() if not own["in_mean"]} == left_out
        if not rule:
            assert found["scores"]["miou"] == pytest.approx((ious[0] + ious[2]) / 2)


def test_every_problem_of_masks_is_reported_at_once(masks: Callable[..., Any], tmp_path: Path) -> None:
    predictions, truth, predicted, _ = masks(False)
    (predictions / "0000.png").unlink()
    Image.fromarray(predicted[1][:6]).save(predictions / "0001.png")
    Image.fromarray(predicted[2] + np.uint8(7)).save(predictions / "0002.png")
    words = ("evaluate", "--predictions", predictions, "--truth", truth, "--out", tmp_path / "out")
    called = call(*words)
    assert called.code == 2 and "3 problems" in called.err and not (tmp_path / "out").exists()
    assert "has no prediction for 1 of 3 images: 0000" in called.err
    assert "is 16x6, but its truth" in called.err and "16x12" in called.err
    assert "0002.png: has values of no class: 9 (" in called.err
    Image.fromarray(predicted[1]).save(predictions / "0001.png")
    Image.fromarray(predicted[2]).save(predictions / "0002.png")
    assert call(*words, "--allow-missing").code == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["images"] == 2


def write_csv(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def test_csv_files_of_labels(tmp_path: Path) -> None:
    truth = write_csv(tmp_path / "t.csv", "image_id,label", "a.png,cat", "b.png,dog", "c.png,dog", "d.png,cat")
    guesses = write_csv(
        tmp_path / "p.csv", "filename,label,probability", *("b.png,cat,0.9", "a.png,cat,1", "c.png,dog,1")
    )
    words = ("evaluate", "--predictions", guesses, "--truth", truth, "--out", tmp_path / "out")
    called = call(*words)
    assert called.code == 2 and "has no prediction for 1 of 4 images: d.png" in called.err
    for name in "abcd":
        Image.new("RGB", (20, 20)).save(tmp_path / f"{name}.png")
    called = call(*words, "--allow-missing", "--images", tmp_path, "--json")
    found = json.loads(called.out)
    assert found["scores"]["accuracy"] == pytest.approx(2 / 3) and found["worst"] == ["b.png"]
    assert found["scores"]["balanced_accuracy"] == pytest.approx(0.75)
    assert (tmp_path / "out" / "worst.png").exists()

    wrong = write_csv(tmp_path / "w.csv", "filename,label", "a.png,cat", "b.png,cow", "c.png,dog", "d.png,9")
    called = call("evaluate", "--predictions", wrong, "--truth", truth)
    assert (
        called.code == 2
        and "w.csv:3: " in called.err
        and "'cow', which is not a class" in called.err
        and "'9'" in called.err
    )
    with pytest.raises(InputError, match="its columns are x, y"):
        compare(Question(write_csv(tmp_path / "x.csv", "x,y", "1,2"), truth), QUIET)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    assert call("evaluate").code == 2 and "expected a RUN" in call("evaluate").err
    assert "--ignore cannot be combined with a RUN" in call("evaluate", tmp_path, "--ignore", 3).err
    words = ("evaluate", "--predictions", tmp_path, "--truth", tmp_path)
    assert "--device cannot be combined with --predictions" in call(*words, "--device", "cpu").err
    assert "has no images" in call(*words).err
    (tmp_path / "file").write_text("")
    assert "is a file" in call(*words, "--out", tmp_path / "file", "--force").err


def test_files_are_compared_without_torch(masks: Callable[..., Any], tmp_path: Path) -> None:
    predictions, truth, *_ = masks(True)
    code = (
        "import sys, hw1cli\n"
        f"hw1cli.main(['evaluate', '--predictions', {str(predictions)!r}, '--truth', {str(truth)!r}, "
        f"'--out', {str(tmp_path / 'out')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'albumentations' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [2, 50])
def test_figures_of_few_and_many_classes_stay_readable(number: int, tmp_path: Path) -> None:
    names = [f"a_$rather$_long_name_of_class_{label}" for label in range(number)]
    classes = Classes.of(names, ignore_index=0)
    counts = np.random.default_rng(0).integers(0, 9, (number, number))
    save(draw_confusion(Confusion(counts, classes), "title", "pixels"), tmp_path / "matrix.png")
    mask = np.arange(number, dtype=np.uint8).repeat(2)[None].repeat(30, 0)
    save(draw_examples([Example(name, "0.1", None, mask, mask) for name in "abcde"], classes, "t"), tmp_path / "w.png")
    width, height = Image.open(tmp_path / "matrix.png").size
    assert 350 < width < 2500 and 350 < height < 2500
    assert Image.open(tmp_path / "w.png").size[0] < 2000
