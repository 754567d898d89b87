"""The weights of a run for predict, evaluate and ``weights:``, where files are missing, damaged or foreign."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from runs import train

import hw1cli as command_line
from registry.engine.network.weights import read_state
from registry.engine.records import checkpoints
from registry.engine.train.saved_run import open_run
from registry.errors import InputError


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for a run that all tests of this module copy."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def run(trained: Path, stranger: None, recipe: Path, tmp_path: Path) -> Path:
    """A run of two epochs, to be damaged."""
    if not trained.exists():
        train(recipe, trained)
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "images" / "one.png")
    return tmp_path / "images"


def call(*words: Any) -> Any:
    return CliRunner().invoke(command_line.main, [str(word) for word in words])


def test_best_pt_alone_predicts_what_the_whole_run_predicts(run: Path, tmp_path: Path) -> None:
    (tmp_path / "alone" / "checkpoints").mkdir(parents=True)
    shutil.copy(run / "checkpoints" / "best.pt", tmp_path / "alone" / "checkpoints")
    picture = [np.full((64, 64, 3), 90, np.uint8)]
    whole, alone = (open_run(folder, device="cpu") for folder in (run, tmp_path / "alone"))
    assert torch.equal(whole.logits(picture), alone.logits(picture))
    assert {**whole.facts, "class_counts": 0} == {**alone.facts, "class_counts": 0} and whole.epoch == alone.epoch


@pytest.mark.parametrize("fault", ["missing", "damaged", "code", "foreign", "another network"])
def test_a_best_pt_that_cannot_be_used_is_one_message_with_what_can(
    run: Path, images: Path, tmp_path: Path, fault: str
) -> None:
    best, last = run / "checkpoints" / "best.pt", run / "checkpoints" / "last.pt"
    spoil(best, fault, tmp_path)
    for command in (("predict", run, images, "--out", tmp_path / "masks"), ("evaluate", run)):
        refused = call(*command, "--device", "cpu")
        assert refused.exit_code == 2, refused.output
        assert str(best) in refused.output and "weights_only" not in refused.output
        assert "Traceback" not in refused.output and not (tmp_path / "harmed").exists()
        assert fault == "another network" or "last.pt is whole: --checkpoint last" in refused.output
    assert not (tmp_path / "masks").exists()
    if fault != "another network":
        with pytest.raises(InputError, match=r"best\.pt") as caught:
            read_state(run)
        assert caught.value.problems[0].hint == f"name another file: {last}"
    predicted = call("predict", run, images, "--out", tmp_path / "masks", "--checkpoint", "last", "--device", "cpu")
    assert predicted.exit_code == 0, predicted.output


class Attack:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def spoil(path: Path, fault: str, tmp_path: Path) -> None:
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif fault == "code":
        torch.save({"format": checkpoints.FORMAT, "task": Attack(tmp_path / "harmed")}, path)
    elif fault == "foreign":
        torch.save({"state_dict": {"weight": torch.zeros(2)}}, path)
    else:
        state = checkpoints.load(path)
        state["task"] = {f"other.{name}": tensor for name, tensor in state["task"].items()}
        torch.save(state, path)


@pytest.mark.parametrize("fault", ["damaged", "code", "text"])
def test_a_file_of_weights_that_cannot_be_used_is_refused_in_our_words(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.arange(1000.0)}, path)
    if fault == "text":
        path.write_text("not weights")
    else:
        spoil(path, fault, tmp_path)
    with pytest.raises(InputError, match=r"weights\.pth") as caught:
        read_state(path)
    problem = caught.value.problems[0]
    assert "weights_only" not in f"{problem.message} {problem.hint}" and not (tmp_path / "harmed").exists()


def test_a_run_without_scores_is_used_with_a_note(run: Path) -> None:
    last = run / "checkpoints" / "last.pt"
    state = checkpoints.load(last)
    state["position"] |= {"best_epoch": 0, "best_score": None}
    torch.save(state, last)
    (run / "checkpoints" / "best.pt").unlink()
    assert "no epoch of this run has a score yet" in open_run(run, device="cpu").notes[0]
    assert "no epoch of this run has a score yet" in json.dumps(call("evaluate", run, "--json").output)


def test_a_run_in_progress_is_read_whole(
    stranger: None, start: Any, recipe: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "progress"
    sets = ["trainer.epochs=100000", "trainer.save_every=1 step", "trainer.keep_best=1"]
    process = start("run", recipe, "--out", out, *(word for each in sets for word in ("--set", each)))
    process.until(out / "checkpoints" / "best.pt")
    last, seen = out / "checkpoints" / "last.pt", set[int]()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        seen.add(checkpoints.load(last)["position"]["step"])
        checkpoints.load(out / "checkpoints" / "best.pt")
    assert len(seen) > 5 and process.poll() is None
    open_run(out, device="cpu")
    for number, which in enumerate(("best", "last")):
        masks = tmp_path / f"masks_{number}"
        predicted = call("predict", out, images, "--out", masks, "--checkpoint", which, "--device", "cpu")
        assert predicted.exit_code == 0, predicted.output
    assert call("evaluate", out, "--checkpoint", "last", "--device", "cpu").exit_code == 0
