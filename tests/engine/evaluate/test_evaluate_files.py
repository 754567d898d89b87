"""``evaluate --predictions --truth``: files score by the formula, and problems are reported together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from rich.console import Console
from scoring import by_hand, call

from registry.engine.data.classes import KnownClasses, parse_classes
from registry.engine.evaluate.files import Question, compare
from registry.errors import InputError

QUIET = Console(quiet=True)


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
