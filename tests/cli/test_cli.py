"""The command line: quick, readable, and with the exit codes that it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

from registry.catalog.kinds import KINDS

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "segmentation_models_pytorch",
    "albumentations",
    "sklearn",
    "cv2",
    "matplotlib",
)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "--verify", "--json"],
        ["list", "augmentations", "albumentations/*Crop*"],
        ["describe", "smp/deeplabv3"],
        ["describe", "albumentations/Affine"],
        ["check", "recipes/seg_deeplab_focal.yaml"],
    ],
    ids=" ".join,
)
def test_read_only_commands_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys, hw1cli\n"
        f"try: hw1cli.main({words!r}, prog_name='hw1cli')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_run_imports_only_what_its_recipe_needs(tmp_path: Path) -> None:
    for split in ("train_50", "val_50"):
        (tmp_path / split).mkdir()
        for number in range(8):
            Image.new("RGB", (32, 32), (0, 30 * number, 0)).save(tmp_path / split / f"{number % 2}_{number}.png")
    (tmp_path / "my.yaml").write_text(
        "trainer: {use: classification, epochs: 1, batch_size: 4}\ndata: {use: labelled_names, root: .}\n"
        "model: {use: classifier, backbone: {use: resnet18, width: 8}}\nreports: [curves]\nruntime: {device: cpu}\n"
    )
    unneeded = ("torchvision", "transformers", "timm", "segmentation_models_pytorch", "lightly")
    program = (
        "import sys, hw1cli\n"
        "try: hw1cli.main(['run', 'my.yaml'], prog_name='hw1cli')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"found = [name for name in {(*unneeded, 'sklearn', 'scipy.signal', 'pandas')!r} if name in sys.modules]\n"
        "assert not found, found\n"
        "from torchmetrics import Metric, MetricCollection\n"
        "from torchmetrics.functional import accuracy\n"
        "from registry.engine import ConfusionMetric\n"
        "assert issubclass(ConfusionMetric, Metric) and 'scipy.signal' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_list_shows_every_kind_as_json(hw1cli) -> None:
    rows = json.loads(hw1cli("list", "--json").stdout)
    assert {row["kind"] for row in rows} == set(KINDS)
    assert all(row["summary"] for row in rows)
    named = json.loads(hw1cli("list", "backbones", "timm/*v2_s*", "--json").stdout)
    assert {"timm/efficientnetv2_s", "timm/tf_efficientnetv2_s.in1k"} <= {row["name"] for row in named}


def test_describe_shows_signature_and_origin(hw1cli) -> None:
    described = json.loads(hw1cli("describe", "focal", "--json").stdout)[0]
    gamma = next(parameter for parameter in described["parameters"] if parameter["name"] == "gamma")
    assert gamma["default"] == 2.0 and gamma["type"].startswith("number") and gamma["doc"]
    assert described["distribution"] == "hw1cli" and "p_t" in described["doc"]
    shown = hw1cli("describe", "smp/deeplabv3").stdout
    assert "backbone" in shown and "decoder_atrous_rates" in shown and "[12, 24, 36]" in shown


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["describe", "focall"], 2, "'focal'"),
        (["list", "backbone5"], 2, "'backbones'"),
        (["run", "recipes/seg_deeplab_focl.yaml"], 2, "seg_deeplab_focal.yaml"),
        (["run", "recipes"], 2, "is a directory"),
        (["check", "recipes/seg_camvid.yaml", "--set", "trainer.epochs"], 2, "not an assignment"),
        (["data", "make", "landcove", "--out", "x"], 2, "'landcover'"),
        (["data", "make", "landcover", "--out", "x", "--set", "sise=3"], 2, "'size'"),
        (["data", "inspect", "nowhere"], 2, "is not a directory"),
        (["predict", "run", "photos", "--out", "x", "--flips", "d", "--scales", "0"], 2, "2 problems"),
        (["rnu"], 2, "No such command"),
        (["run", "recipes/seg_deeplab_focal.yaml", "--set", "data.root=gone"], 2, "folder 'gone' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_arguments_get_an_exit_code_and_a_suggestion(hw1cli, words: list[str], code: int, expected: str) -> None:
    answer = hw1cli(*words)
    assert answer.returncode == code
    assert expected in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize("words", [["list", "models", "timm/*"], ["list", "losses"], ["describe", "focal", "--json"]])
def test_a_closed_pipe_is_not_an_error(words: list[str]) -> None:
    """As in ``hw1cli list | head -1``: the pipe is closed before anything is written."""
    command = [sys.executable, str(ROOT / "hw1cli.py"), *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_commands_write_into_folders_of_their_own(tmp_path: Path, hw1cli) -> None:
    from PIL import Image

    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / "pets" / split / name / "1.png")
    for expected in ("pets", "pets-2"):
        shown = hw1cli("data", "inspect", "pets", cwd=tmp_path).stdout
        assert f"inspection/{expected}/samples.png" in shown
    (tmp_path / "true.csv").write_text("filename,label\na,x\nb,y\n")
    for expected in ("true", "true-2"):
        shown = hw1cli("evaluate", "--predictions", "true.csv", "--truth", "true.csv", cwd=tmp_path).stdout
        assert f"written to evaluation/{expected}" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "inspection", "pets", "true.csv"]


def test_predict_and_evaluate_do_not_overwrite(hw1cli, tmp_path: Path) -> None:
    labels, folder = tmp_path / "mine.csv", tmp_path / "mine"
    folder.mkdir()
    for file in (labels, folder / "scores.json"):
        file.write_text("mine")
    for words in (
        ["predict", tmp_path / "run", tmp_path, "--out", labels],
        ["predict", tmp_path / "run", tmp_path, "--out", folder],
        ["evaluate", tmp_path / "run", "--out", folder],
    ):
        done = hw1cli(*words)
        assert done.returncode == 2 and "--force" in done.stderr, done.stderr
        assert "run" in hw1cli(*words, "--force").stderr  # the next problem: there is no such run
    assert labels.read_text() == (folder / "scores.json").read_text() == "mine"
