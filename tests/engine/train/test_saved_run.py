"""A run folder opened again predicts what the run predicted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import train

from registry.engine.records import checkpoints
from registry.engine.train.saved_run import open_run
from registry.errors import InputError


def test_the_best_weights_come_back_and_predict(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    saved = open_run(tmp_path / "run", device="cpu")
    best = checkpoints.load(tmp_path / "run" / "checkpoints" / "best.pt")
    assert saved.epoch == checkpoints.epoch_of(best) and not saved.task.training
    assert all(torch.equal(value, best["task"][name]) for name, value in saved.task.state_dict().items())
    logits = saved.logits([np.zeros((64, 64, 3), np.uint8)] * 2)
    assert logits.shape == (2, 7, 64, 64) and torch.equal(logits[0], logits[1])
    facts = json.loads((tmp_path / "run" / "environment.json").read_text())["facts"]
    assert saved.facts["class_names"] == facts["class_names"] and "water" in facts["class_names"]


def test_a_path_that_is_not_a_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match="is not a run folder"):
        open_run(tmp_path)


def test_weights_to_start_from_are_not_looked_for_again(stranger: None, recipe: Path, tmp_path: Path) -> None:
    """The checkpoint replaces them, and they may be gone or out of reach by now."""
    import timm

    start = tmp_path / "start.pth"
    torch.save(timm.create_model("resnet10t").state_dict(), start)
    backbone = f"model.backbone={{use: timm/resnet10t, weights: {start}}}"
    train(recipe, tmp_path / "run", backbone, "trainer.epochs=1")
    start.unlink()
    saved = open_run(tmp_path / "run", device="cpu")
    assert saved.plan.trainer.arguments["model"].arguments["backbone"].arguments["weights"] is None


def test_a_killed_run_with_a_checkpoint_can_be_opened(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    (tmp_path / "run" / "summary.json").unlink()  # written at the end, which a killed run does not reach
    for checkpoint in ("best", "last"):
        saved = open_run(tmp_path / "run", checkpoint=checkpoint, device="cpu")
        assert (saved.runtime.precision, saved.runtime.memory_format, saved.epoch) == ("fp32", "contiguous", 1)
