"""A sweep, folds, and the homework's sections, made within seconds for the browser to show."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import ROOT

from registry.catalog.registry import Registry
from registry.cli.commands.run import run_recipe
from registry.recipe.request import Request, planned_sweep
from registry.recipe.yaml import parse


def swept(trained: Path, folder: Path) -> Path:
    """A sweep in Optuna's journal: twelve trials whose scores follow a formula, and real runs as its last ones."""
    pytest.importorskip("optuna")
    from optuna.trial import TrialState

    from registry.sweep.outcome import outcome, write
    from registry.sweep.run import open_folder
    from registry.sweep.trials import Trials

    (folder / "searched.yaml").write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 64}}
        data: {{use: labelled_names, root: {trained.parent}/data/digits}}
        model: {{use: resnet18, stem: cifar, width: {{search: int, low: 8, high: 32, step: 8}}}}
        optimizer:
          search: choice
          of: [{{use: adamw, lr: {{search: log, low: 1e-5, high: 1e-1}}}}, {{use: sgd, lr: 0.1}}]
        sweep: {{trials: 12, random: 6, seeds: 1}}
        """)
    )
    plan, settings = planned_sweep(Request(folder / "searched.yaml"), Registry())
    open_folder(folder / "sweep", plan.recipe)
    trials = Trials(folder / "sweep", plan.recipe, settings, plan.loop.epochs)
    while (job := trials.next()) is not None and job.trial is not None:
        trial, values = job.trial, job.trial.params
        rate = values.get("optimizer.lr (adamw)", 1e-5)
        score = 0.9 - 0.1 * abs(math.log10(rate / 2e-3)) - (32 - values["model.width"]) / 400
        goes_on = [trials.report(trial, score - 0.3 / epoch, epoch, ("accuracy", True, 3)) for epoch in (1, 2)]
        if trial.number == 3:
            trials.fail(trial, "the loss became infinite in epoch 3")
        elif goes_on[1]:
            trials.tell(trial, TrialState.COMPLETE, score, seconds=3, best_epoch=3)
        else:
            trials.tell(trial, TrialState.PRUNED, seconds=2)
        job.claim.release()
    for run, name in zip(("wide", "small"), trials.repeats(), strict=True):
        shutil.copytree(trained / "digits" / run, folder / "sweep" / name)
    write(trials, outcome(trials))
    return folder / "sweep"


def folded(images: Path, folder: Path) -> Path:
    """A study of three folds."""
    recipe = folder / "folds.yaml"
    recipe.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 1, batch_size: 8}}
        data: {{use: image_folders, root: {images}, val: null}}
        split: {{folds: 3}}
        model: {{use: resnet18, width: 8, stem: cifar}}
        reports: [confusion_matrix]
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    run_recipe(Request(recipe, out=folder / "folds"))
    return folder / "folds"


def homework(trained: Path, folder: Path) -> Path:
    """Some of the homework's runs, by others of these kinds, under the sections of its recipe."""
    for name, run in {"resnet18": "digits/small", "A": "digits/wide", "fcn32s": "scenes/one"}.items():
        shutil.copytree(trained / run, folder / "hw1" / name)
    recipe, _ = parse((ROOT / "recipes" / "hw1.yaml").read_text(encoding="utf-8"), "hw1.yaml")
    assert recipe is not None
    (folder / "hw1" / "page.json").write_text(json.dumps({"sections": recipe.plain()["page"]}))
    return folder / "hw1"
