"""What a stranger's files cannot do: run code, write elsewhere, reach the network; see SECURITY.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from runs import train

import hw1cli as command_line
from registry.catalog.registry import Registry
from registry.engine.predict import Settings, predict
from registry.engine.train.saved_run import open_run
from registry.errors import Hw1Error, InputError
from registry.recipe.request import Request, every_problem

RECIPE = """
trainer: {{use: classification, epochs: 1, batch_size: 8}}
data: {{use: image_folders, root: {root}}}
model: {{use: classifier, backbone: {{use: resnet18, width: 8}}}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, colored_images: Path) -> Path:
    path = tmp_path_factory.mktemp("safety") / "small.yaml"
    path.write_text(RECIPE.format(root=colored_images))
    return path


@pytest.fixture(scope="module")
def trained(small: Path) -> Path:
    train(small, small.parent / "run")
    return small.parent / "run"


# --- a recipe, a checkpoint and a run folder of a stranger's ---------------------------------------


def test_a_strangers_escape_sequences_do_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    recipe = tmp_path / "clear.yaml"
    recipe.write_text('"\\e[2J": 1\ntrainer: "\\e]0;title\\a"\n')
    with suppress(SystemExit):
        command_line.main(["check", str(recipe)])
    shown = capfd.readouterr().err
    assert "\\x1b[2J" in shown and "\x1b" not in shown


@pytest.fixture
def attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the path that leaves a file where it is imported; the file's path."""
    (tmp_path / "attack.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('harmed').touch()\nrun = print\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path / "harmed"


@pytest.mark.parametrize(
    "loss",
    [
        *("attack.run", "attack:run", "'attack/run'", "torch.nn.CrossEntropyLoss", "plugins.hw1.specs:focal"),
        *(
            "{use: 'attack:run'}",
            "{use: focal, _target_: attack.run}",
            "{_target_: attack.run}",
            "!!python/name:attack.run",
        ),
        *("!!python/object/apply:attack.run [1]", "'${attack.run}'", "'hw1cli:attack:run'", "'torch/attack.run'"),
    ],
)
def test_a_recipe_cannot_name_code(small: Path, tmp_path: Path, attack: Path, loss: str) -> None:
    path = tmp_path / "stranger.yaml"
    path.write_text(small.read_text() + f"loss: {loss}\n")
    assert every_problem(Request(path), Registry())
    assert not attack.exists()


class Attack:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("inside", ["whole", "optimizer", "position", "task"])
def test_a_strangers_checkpoint_runs_no_code(small: Path, trained: Path, tmp_path: Path, inside: str) -> None:
    run, harmed = shutil.copytree(trained, tmp_path / "run"), tmp_path / "harmed"
    for path in (run / "checkpoints").glob("*.pt"):
        state = torch.load(path, weights_only=True)
        torch.save(Attack(harmed) if inside == "whole" else {**state, inside: Attack(harmed)}, path)
    with pytest.raises(Hw1Error, match="not a checkpoint"):
        open_run(run)
    with pytest.raises(Hw1Error, match="not a checkpoint"):
        train(small, run, "trainer.epochs=2", resume=True)
    weights = f"model.backbone={{use: resnet18, width: 8, weights: {run}}}"
    with pytest.raises(Hw1Error):
        train(small, tmp_path / "other", weights)
    assert not harmed.exists()


def test_a_strangers_run_folder_runs_no_code_by_its_texts(trained: Path, tmp_path: Path, attack: Path) -> None:
    """Names of code in its plan and environment are records, which nothing imports."""
    run = shutil.copytree(trained, tmp_path / "run")
    for name in ("plan.json", "environment.json"):
        text = (run / name).read_text()
        (run / name).write_text(re.sub(r'"(target|distribution|version)": "[^"]*"', r'"\1": "attack:run"', text))
    assert "attack:run" in (run / "plan.json").read_text()
    assert open_run(run).facts["num_classes"] == 3
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("use: classification", "use: attack:run"))
    with pytest.raises(InputError):
        open_run(run)
    assert not attack.exists()


# --- what predict writes ---------------------------------------------------------------------------


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """An image that csv files name in hostile ways, outside of their folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "x.png")
    (tmp_path / "in").mkdir()
    shutil.copy(folder / "x.png", tmp_path / "in" / "y.png")
    return tmp_path


HOSTILE = ["../elsewhere/x.png", "{folder}/elsewhere/x.png", "a/../../elsewhere/x.png", "./../in/../elsewhere/x.png"]


HOSTILE += ["x\0.png", "..", "/", "~/x.png", "in\\..\\..\\x.png", "C:\\x.png", "\n/x.png"]


def test_a_csv_cannot_name_a_place_outside_of_out(stranger, recipe, outside: Path) -> None:
    train(recipe, outside / "run", "trainer.epochs=1")
    saved, table = open_run(outside / "run"), outside / "in" / "images.csv"
    for number, name in enumerate(HOSTILE):
        table.write_text(f'filename\ny.png\n"{name.format(folder=outside)}"\n', newline="")
        before, out = everything(outside), outside / f"out{number}"
        with suppress(Hw1Error):
            predict(saved, Settings(inputs=[str(table)], out=out, overlays=True), quiet())
        assert {path for path in everything(outside) - before if not path.startswith(f"{out.name}/")} == set()


def quiet():
    from rich.console import Console

    return Console(file=open(os.devnull, "w"))


@pytest.mark.parametrize("label", ["../x", "/tmp/x", "x\0y", "a/b", "=1+1", "con\nx"])
def test_the_name_of_a_class_cannot_name_a_file(
    trained: Path, colored_images: Path, tmp_path: Path, label: str
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    path = run / "environment.json"
    environment = json.loads(path.read_text())
    environment["facts"]["class_names"] = [label, *environment["facts"]["class_names"][1:]]
    path.write_text(json.dumps(environment))
    before = everything(tmp_path)
    out = tmp_path / "out"
    predict(open_run(run), Settings(inputs=[str(colored_images / "val" / "red")], out=out, scores=True), quiet())
    assert everything(tmp_path) - before == {"out/predictions.csv"}


# --- the network -----------------------------------------------------------------------------------

#: Runs before the command in its process: whatever reaches for the network ends with an error, and is noted.
GUARD = r"""
import sys
def forbid(event, given):
    # Addresses of the Internet are pairs; the loader's processes talk over sockets of files.
    internet = event in ("socket.connect", "socket.bind") and isinstance(given[1], tuple)
    if internet or event == "socket.getaddrinfo":
        with open({noted!r}, "a") as file:
            file.write(f"{{event}} {{given}}\n")
        raise PermissionError("the network is forbidden")
sys.addaudithook(forbid)
"""


def test_a_demo_reaches_for_no_network_and_serves_none(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD.format(noted=str(tmp_path / "noted")))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for variable in ("HF_HUB_OFFLINE", "NO_ALBUMENTATIONS_UPDATE"):
        environment.pop(variable, None)
    probe = [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"]
    assert "forbidden" in subprocess.run(probe, env=environment, capture_output=True, text=True).stderr
    (tmp_path / "noted").unlink()
    command = [sys.executable, ROOT / "hw1cli.py", "run", ROOT / "recipes" / "seg_deeplab_focal.yaml", "--demo"]
    small = ["trainer.epochs=1", "make.train=8", "make.validation=4", "make.size=64", "runtime.workers=1"]
    words = [word for each in small for word in ("--set", each)]
    ended = subprocess.run(
        [*command, *words, "--out", tmp_path / "run"], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "noted").exists(), (tmp_path / "noted").read_text()


def test_nothing_is_served_beyond_localhost() -> None:
    """No server of ours, and no documented command, listens on other addresses than localhost."""
    files = [*(ROOT / "registry").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    files += [ROOT / "README.md", ROOT / "hw1cli.py", *(ROOT / "recipes").glob("*.yaml")]
    everywhere = re.compile(r"0\.0\.0\.0|--bind_all|--host[ =](?!127\.0\.0\.1|localhost)|INADDR_ANY|\('', *\d+\)")
    assert len(files) > 100
    assert [path for path in files if everywhere.search(path.read_text(encoding="utf-8"))] == []
