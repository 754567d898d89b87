"""The page of report as a file: what it holds, what it says, and what damaged runs do to it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

from registry.cli.commands.report import write_report
from registry.errors import InputError
from registry.report.calibration import calibration
from registry.report.gather import gather
from registry.report.verdicts import of_run, of_study
from registry.results.runs import read


@pytest.fixture
def small(trained: Path, tmp_path: Path) -> Path:
    """A copy of a run, to be damaged."""
    return Path(shutil.copytree(trained / "digits" / "small", tmp_path / "small"))


def test_the_page_holds_every_section_of_a_run(trained: Path, tmp_path: Path) -> None:
    text = write_report((trained / "digits" / "small",), tmp_path / "a.html").read_text()
    for heading in ("Verdict", "Curves", "Scores", "Classes", "Confusion matrix", "Maps of the penultimate layer"):
        assert f">{heading}</h2>" in text
    for heading in ("Worst predictions", "Calibration", "Throughput and cost", "Recipe", "Origin of the code"):
        assert f">{heading}</h2>" in text
    assert "Masks while training" not in text, "a run without masks has no section for them"
    masks = write_report((trained / "scenes" / "one",), tmp_path / "b.html").read_text()
    assert ">Masks while training</h2>" in masks and "Calibration</h2>" not in masks
    assert "Calibration: written by the report" in masks, "what is missing names what would write it"


def test_the_page_is_small_and_names_no_other_host(trained: Path, tmp_path: Path) -> None:
    text = write_report((trained,), tmp_path / "all.html").read_text()
    assert len(text.encode()) < 10_000_000
    assert text.count("plotly.js v") == 1
    outside_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"']?(?!#|data:)[^\"'\s>]+", outside_scripts)
    assert "default-src 'none'" in text


def test_names_are_text_never_markup(small: Path, tmp_path: Path) -> None:
    environment = json.loads((small / "environment.json").read_text())
    environment["command"] = ["</script><script>alert(1)</script>"]
    environment["facts"]["class_names"][0] = "</script><img src=x>"
    (small / "environment.json").write_text(json.dumps(environment))
    text = write_report((small,), tmp_path / "a.html").read_text()
    assert "<script>alert(1)" not in text and "</script><img" not in text


def test_a_damaged_file_costs_its_section_alone(small: Path, tmp_path: Path) -> None:
    (small / "figures" / "pca" / "epoch_0001.csv").write_text("name,x\n1,nonsense\n")
    text = write_report((small,), tmp_path / "a.html").read_text()
    assert "The files of maps cannot be read" in text and ">Calibration</h2>" in text


def test_verdicts_rest_on_the_numbers(trained: Path) -> None:
    study = gather([read(trained / "digits" / "small")])
    words = " ".join(verdict.text for verdict in of_run(study.runs[0]))
    run = study.runs[0].run
    assert f"Best epoch {run.summary['best_epoch']} of 2: accuracy {run.score:.4f} on 144 evaluation images" in words
    assert "95 % range" in words and "The best constant prediction scores" in words and "ECE" in words
    worst = min((value, name) for name, value in run.summary["best"].items() if name.startswith("accuracy/"))
    assert f"The weakest of 4 classes is {worst[1].partition('/')[2]}: accuracy {worst[0]:.3f}" in words
    first, last = (row["val_loss"] for row in run.rows)
    assert ("No overfitting: the evaluation loss was lowest in the last epoch" in words) == (last < first)
    assert of_run(study.runs[0])[-1].command == f"hw1cli run {run.folder}/recipe.yaml", "a run that Python has started"
    run.environment["command"] = ["a/hw1cli.py", "run", "a b.yaml", "--demo", "--out", "x", "--resume", "--member", "y"]
    assert study.runs[0].command == "hw1cli run 'a b.yaml' --demo"


def test_one_seed_of_each_setting_leaves_noise_unknown(trained: Path) -> None:
    study = gather([read(trained / "digits" / name) for name in ("small", "wide")])
    words = " ".join(verdict.text for verdict in of_study(study))
    best = max(study.runs, key=lambda shown: shown.run.score or 0)
    assert f"Best accuracy of 2 settings: {best.name}" in words and "it takes 3 seeds or folds of each setting" in words
    assert f"In {best.name} the weakest of 4 classes is " in words and "verfitting" in words
    assert "The 2 runs took " in words and "To repeat small (for the others see below):" in words


def test_calibration_is_the_weighted_gap_of_the_bins() -> None:
    # Bins of a fifteenth: .95 and .99 are in the last one, .5 in the eighth, 1.0 still in the last one.
    found = calibration([0.95, 0.99, 0.5, 1.0], [True, False, True, True])
    assert [one["images"] for one in found["bins"]] == [1, 3]
    last = abs((0.95 + 0.99 + 1.0) / 3 - 2 / 3)
    assert found["ece"] == pytest.approx((1 * 0.5 + 3 * last) / 4)
    assert calibration([0.7] * 10, [True] * 7 + [False] * 3)["ece"] == pytest.approx(0)


def test_reports_write_what_the_page_reads(trained: Path) -> None:
    """The formats that docs/how-to/report.md lists."""
    folder = trained / "digits" / "small" / "figures"
    with open(folder / "confusion_matrix" / "per_image.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "truth", "prediction", "right", "probability", "probability_of_truth"]
    assert len(rows) == 144 and all(0.25 <= float(row["probability"]) <= 1 for row in rows)
    summary = json.loads((folder.parent / "summary.json").read_text())
    assert sum(row["right"] == "1" for row in rows) / 144 == pytest.approx(summary["last"]["accuracy"])
    with Image.open(folder / "pca" / "thumbnails.jpg") as sheet:
        assert sheet.size == (12 * 32, 12 * 32)
    masks = trained / "scenes" / "one" / "figures" / "mask_stages"
    with open(masks / "stages.csv", newline="") as file:
        stages = list(csv.DictReader(file))
    assert [row["epoch"] for row in stages] == ["1", "2"] * 2
    name = stages[0]["name"]
    sizes = [Image.open(masks / f"{name}_{end}").size for end in ("image.jpg", "truth.png", "epoch_0002.png")]
    assert sizes == [(64, 64)] * 3


@pytest.mark.parametrize("name", ["report.pdf", "missing/report.html"])
def test_a_file_that_cannot_be_written_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"HTML|directory"):
        write_report((trained,), tmp_path / name)


def test_nothing_is_overwritten_without_force(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    out.write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        write_report((trained,), out)
    assert out.read_text() == "mine"
    assert write_report((trained,), out, force=True).stat().st_size > 1_000_000


def test_the_command_writes_into_the_runs_folder(hw1cli: Callable, small: Path, tmp_path: Path) -> None:
    done = hw1cli("report", small, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "file": str(small / "report.html"),
        "bytes": (small / "report.html").stat().st_size,
    }
    assert hw1cli("report", small).returncode == 0, "an earlier report of its own gives way"
    refused = hw1cli("report", tmp_path / "nothing")
    assert refused.returncode == 2 and "does not exist" in refused.stderr


def test_a_page_needs_neither_torch_nor_the_python_half_of_plotly(trained: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from registry.report.page import render; "
        "from registry.results.runs import read; render([read(Path(sys.argv[1]))]); "
        "print({'torch', 'numpy', 'PIL', 'matplotlib', 'plotly'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code, str(trained / "digits" / "small")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
