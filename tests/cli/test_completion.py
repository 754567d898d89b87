"""Completion at the command line, in the form of each shell, and quickly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class
from conftest import ROOT

from hw1cli import main
from registry.cli import shells

RECIPE = """\
trainer: {use: classification, epochs: 2}
data: {use: image_folders, root: x}
model: {use: resnet18, stem: cifar}
optimizer: sgd
augment: {train: [{use: albumentations/RandomCrop, height: 32, width: 32}]}
reports: [curves, pca]
runs: {small: {model: {use: smp/unet, backbone: resnet18}}}
"""


def answers(monkeypatch: pytest.MonkeyPatch, line: str, shell: str = "bash") -> list[str]:
    """The answer to the shell when the tab key is pressed at the end of a line."""
    words = line.split(" ")
    if shell == "bash":
        current = words[-1].rpartition("=")[2].rpartition(":")[2]  # where readline cuts a word
        variables = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_CURRENT": current}
    elif shell == "zsh":
        variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    else:
        variables = {"COMP_WORDS": line, "COMP_CWORD": words[-1]}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    completer = get_completion_class(shell)
    assert completer is not None and completer.__module__ == shells.__name__
    return completer(main, {}, "hw1cli", "_HW1CLI_COMPLETE").complete().splitlines()


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "mine.yaml").write_text(RECIPE)
    (tmp_path / "recipes" / "other.yaml").write_text("description: of others\n")
    run = tmp_path / "runs" / "mine" / "study" / "one"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("run mi", ["plain,mine.yaml"]),
        ("run recipes/", ["plain,recipes/other.yaml"]),
        ("list sched", ["plain,schedules"]),
        ("list losses foc", ["plain,focal"]),
        ("describe weighted", ["plain,weighted_sum"]),
        ("describe --kind models cl", ["plain,classifier"]),
        ("describe timm/resnet1", None),
        ("data make lan", ["plain,landcover"]),
        ("data make digits --set col", ["open,colored="]),
        ("data make digits --set colored=t", ["plain,true"]),
        ("predict r", ["plain,runs/mine/study/one", "open,recipes/"]),
        ("run mine.yaml --set trainer.lab", []),
        ("run mine.yaml --set trainer.mix", ["open,trainer.mixup="]),
        ("run mine.yaml --set trainer=by", ["plain,byol"]),
        ("run mine.yaml --set model.st", ["open,model.stem="]),
        ("run mine.yaml --set model.stem=", ["plain,imagenet", "plain,cifar"]),
        ("run mine.yaml --set optimizer.nesterov=", ["plain,true", "plain,false"]),
        ("run mine.yaml --set model=smp/un --unset se", []),
        ("run mine.yaml --set model=smp/unet --set model.backbone=res", ["plain,resnet18"]),
        ("run mine.yaml --set loss=hw1cli:f", ["plain,focal"]),
        ("run mine.yaml --set reports+=mask", ["plain,mask_stages"]),
        ("run mine.yaml --set reports-=", ["plain,curves", "plain,pca"]),
        ("run mine.yaml --set augment.train.0.hei", ["open,augment.train.0.height="]),
        (
            "run mine.yaml --set runs.small.model.back",
            ["open,runs.small.model.backbone=", "open,runs.small.model.backbone."],
        ),
        ("run mine.yaml --set schedule.war", ["open,schedule.warmup="]),
        (
            "run mine.yaml --set runtime.device=c",
            ["plain,cpu", "plain,cuda", *(f"plain,cuda:{number}" for number in range(8))],
        ),
        ("run mine.yaml --unset augment.train.0.w", ["plain,augment.train.0.width"]),
        ("run absent.yaml --set model", []),
        ("check mine.yaml --set los", ["open,loss=", "open,loss."]),
        ("completion f", ["plain,fish"]),
    ],
)
def test_bash_completes(monkeypatch: pytest.MonkeyPatch, typed: str, wanted: list[str] | None) -> None:
    found = answers(monkeypatch, f"hw1cli {typed}")
    if wanted is None:
        assert len(found) > 5 and all(each.startswith("plain,timm/resnet1") for each in found)
    else:
        assert found == wanted


def test_zsh_and_fish_get_their_own_format(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "hw1cli run mine.yaml --set loss.label_sm"
    doc = "share of the target spread over all classes (Szegedy et al., 2016)."
    assert answers(monkeypatch, line, "zsh") == ["open", "loss.label_smoothing=", doc]
    assert answers(monkeypatch, line, "fish") == [f"open,loss.label_smoothing=\t{doc}"]
    assert answers(monkeypatch, "hw1cli run recipes/o", "fish") == ["plain,recipes/other.yaml\tof others"]
    assert answers(monkeypatch, "hw1cli run mine.yaml --set loss=hw1cli:foc", "fish")[0].startswith(
        "plain,loss=hw1cli:focal"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_and_has_valid_syntax(shell: str, hw1cli) -> None:
    script = hw1cli("completion", shell)
    assert script.returncode == 0 and f"_HW1CLI_COMPLETE={shell}_complete" in script.stdout
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script.stdout, text=True, timeout=20).returncode == 0
    assert f"hw1cli completion {shell}" in " ".join(hw1cli("completion", "--help").stdout.split())


def test_completion_imports_nothing_heavy(tmp_path: Path) -> None:
    line = "hw1cli run mine.yaml --set model=smp/unet --set model.backbone=timm/convnext_ti"
    environment = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line)), "_HW1CLI_COMPLETE": "bash_complete"}
    code = (
        "import sys, atexit; sys.path.insert(0, sys.argv.pop(1))\n"
        "heavy = {'torch', 'numpy', 'timm', 'rich', 'cv2'}\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules))))\n"
        "import hw1cli; hw1cli.main(prog_name='hw1cli')"
    )
    call = [sys.executable, "-c", code, str(ROOT)]
    answer = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "plain,model.backbone=timm/convnext_tiny" in answer.stdout
    assert "heavy: []" in answer.stdout
