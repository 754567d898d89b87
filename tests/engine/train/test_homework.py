"""The whole homework as one study: stopped and resumed, it ends with the figures of one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT
from runs import metrics, same, stopped_at, weights

from registry.cli.commands.run import run_recipe
from registry.errors import StoppedBySignal
from registry.recipe.request import Request

#: The runs left out; those that stay are one of each kind, and C learns from the weights of `pretrain`.
WITHOUT = ("supervised", "A", "B", "D", "E", "resnet18", "efficientnetv2_s", "fcn32s")


@pytest.mark.slow
def test_the_homework_stopped_three_times_and_resumed_ends_with_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HW1CLI_CACHE", str(tmp_path / "cache"))
    runtime = "{device: cpu, precision: fp32, memory_format: contiguous, workers: 0}"
    digits = "{use: digits, digits: [5, 6], size: 16}"
    sets = [f"runs.{name}.trainer.epochs=2" for name in ("pretrain", "C", "deeplabv3")]
    sets += [f"runs.{name}.runtime={runtime}" for name in ("pretrain", "C", "deeplabv3")]
    sets += [f"runs.pretrain.make={digits}", f"runs.C.make={digits}"]
    sets += ["runs.deeplabv3.make={use: landcover, train: 8, validation: 4, size: 64}"]
    unsets = [f"runs.{name}" for name in WITHOUT]
    sections = [
        {"title": "Fine-tuning", "runs": ["C"], "show": ["scores", "curves"]},
        {"title": "Masks", "show": ["masks"]},
    ]
    sets.append(f"page={json.dumps(sections)}")

    def homework(name: str) -> Request:
        return Request(ROOT / "recipes" / "hw1.yaml", sets, unsets, demo=True, out=tmp_path / name)

    run_recipe(homework("whole"))
    for file in ("pretrain/plan.json", "C/plan.json", "deeplabv3/plan.json"):
        with stopped_at(tmp_path / "stopped" / file), pytest.raises(StoppedBySignal, match="SIGTERM"):
            run_recipe(homework("stopped"))
    run_recipe(homework("stopped"))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for name in ("pretrain", "C", "deeplabv3"):
        assert metrics(stopped / name) == metrics(whole / name) and len(metrics(whole / name)) == 2
        assert same(weights(stopped / name), weights(whole / name))
    assert json.loads((stopped / "study.json").read_text()) == json.loads((whole / "study.json").read_text())
    text = (stopped / "report.html").read_text()
    assert text.index(">Fine-tuning</h2>") < text.index(">Masks</h2>")
