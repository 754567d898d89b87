"""A sweep carried out in this process: how its trials end, what it writes, shows and refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from rich.console import Console

from registry.catalog.registry import Registry
from registry.cli.commands.report import write_report
from registry.errors import InputError
from registry.jobs import Processes
from registry.recipe.planner import make_plan
from registry.recipe.request import Request, planned, planned_sweep
from registry.results import diff
from registry.results.runs import read
from registry.sweep.display import Display
from registry.sweep.outcome import outcome, write
from registry.sweep.run import open_folder, sweep
from registry.sweep.trials import Trials
from registry.sweep.worker import work


def searched(folder: Path, images: Path) -> Path:
    path = folder / "searched.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 4}}
        data: {{use: image_folders, root: {images}}}
        model: {{use: resnet18, stem: cifar, width: {{search: int, low: 8, high: 16, step: 8}}}}
        optimizer:
          search: choice
          of: [{{use: adamw, lr: {{search: log, low: 1e-7, high: 1e-2}}}}, {{use: sgd, lr: 1e30}}]
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        trackers: []
        sweep: {{trials: 9, random: 5, seeds: 2}}
        """)
    )
    return path


def trials_of(recipe: Path, folder: Path, *sets: str) -> Trials:
    plan, settings = planned_sweep(Request(recipe, sets=sets), Registry())
    open_folder(folder, plan.recipe)
    return Trials(folder, plan.recipe, settings, plan.loop.epochs)


def carry_out(trials: Trials) -> dict[str, Any]:
    plan = replace(make_plan(trials.recipe, Registry()), recipe=trials.recipe)
    work(plan, trials.settings, trials.folder)
    found = outcome(trials)
    write(trials, found)
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, colored_images: Path) -> Iterator[Trials]:
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW1CLI_CACHE", str(folder / "cache"))
        trials = trials_of(searched(folder, colored_images), folder / "sweep")
        carry_out(trials)
        yield trials


def test_trials_end_as_done_pruned_or_failed_and_the_best_is_repeated(swept: Trials) -> None:
    found = json.loads((swept.folder / "sweep.json").read_text())
    trials, best = found["trials"], found["trials"][found["best"]]
    assert {trial["state"] for trial in trials} == {"done", "pruned", "failed"} and len(trials) == 9
    assert trials[0]["values"] == {"model.width": 8, "optimizer": "adamw", "optimizer.lr (adamw)": 3.16e-05}
    failed = [trial for trial in trials if trial["state"] == "failed"]
    assert all(trial["values"]["optimizer"] == "sgd" and "infinite" in trial["reason"] for trial in failed)
    assert best["score"] == max(trial["score"] for trial in trials if trial["state"] == "done")
    for trial in trials:
        if trial["state"] != "failed":
            run = read(swept.folder / f"trial_{trial['number']:04d}")
            assert (run.summary["status"], len(run.rows)) == (trial["state"], len(trial["curve"]))
    # The best recipe is the best trial's, without searches; it and the default one get other seeds than the trials.
    plain = planned(Request(swept.folder / "best.yaml"), Registry()).as_json()
    assert diff.differing([plain, read(swept.folder / f"trial_{best['number']:04d}").plan]) == {}
    assert best["number"] != 0 and {row["name"] for row in found["comparison"]["settings"]} == {
        f"best (trial {best['number']})",
        "default (trial 0)",
    }
    assert {result["seed"] for row in found["comparison"]["settings"] for result in row["runs"]} == {1, 2}
    assert sum(found["importance"].values()) == pytest.approx(1)


def test_more_trials_go_on_where_the_others_ended(swept: Trials) -> None:
    before = outcome(swept)
    more = Trials(swept.folder, swept.recipe, replace(swept.settings, trials=10), 3)
    found = carry_out(more)
    assert found["trials"][:9] == before["trials"] and len(found["trials"]) == 10


def test_a_folder_of_something_else_is_refused(swept: Trials, tmp_path: Path, colored_images: Path) -> None:
    path = searched(tmp_path, colored_images)
    plan, settings = planned_sweep(Request(path, sets=["model.width.low=4"]), Registry())
    with pytest.raises(InputError, match="holds a sweep of another recipe"):
        sweep(plan, settings, swept.folder, Processes(1), [], Console(quiet=True))
    with pytest.raises(InputError, match="holds something else than a sweep"):
        sweep(plan, settings, tmp_path, Processes(1), [], Console(quiet=True))


def test_a_sweep_of_which_every_trial_fails_ends_after_three(tmp_path: Path, colored_images: Path) -> None:
    recipe = searched(tmp_path, colored_images)
    found = carry_out(trials_of(recipe, tmp_path / "sweep", "optimizer={use: sgd, lr: 1e30}"))
    assert [trial["state"] for trial in found["trials"]] == ["failed"] * 3 and found["best"] is None
    with pytest.raises(InputError, match="is a sweep without a trial that is done"):
        write_report((tmp_path / "sweep",))


def test_a_trial_whose_process_dies_again_and_again_fails(tmp_path: Path, colored_images: Path) -> None:
    trials = trials_of(searched(tmp_path, colored_images), tmp_path / "sweep")
    for _ in range(5):  # as many processes begin, and leave nothing but the claim that the system releases
        job = trials.next()
        assert job is not None and job.trial is not None and job.name == "trial_0000"
        assert trials.begin(job.trial) is None
        job.claim.release()
    again = trials.next()
    assert again is not None and again.trial is not None
    assert trials.begin(again.trial) == "its process died 5 times without an evaluation in between"
    trials.stopped(again.trial)
    assert trials.begin(again.trial) is None, "a process that was asked to stop did not die"


def test_the_display_shows_what_has_ended_what_goes_on_and_the_time_left(swept: Trials) -> None:
    found = outcome(swept)
    running = {**found["trials"][1], "number": 10, "state": "running", "seconds": None, "epoch": 1, "epochs": 3}
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with Display(console, swept.folder, 2, {0}) as display:
        display.update(
            {**found, "trials": [*found["trials"], running], "settings": {**found["settings"], "trials": 20}}
        )
    text = out.getvalue()
    assert "of 20 trials" in text and "1 running" in text and "best so far: accuracy" in text
    assert "epoch 1/3" in text and "trial  1 " in text and "trial  0 " not in text
    assert "?" not in display.left(found) and display.left({**found, "trials": []}) == "?"
    plain = io.StringIO()
    with Display(Console(file=plain, width=100), swept.folder, 1, set()) as display:
        display.update(found)
        display.update(found)
    lines = [line for line in plain.getvalue().splitlines() if line.startswith("trial ")]
    assert len(lines) == len(found["trials"]), "without a terminal: a line for each trial, once"


def test_the_page_of_a_sweep_shows_its_trials_and_compares_the_best(swept: Trials, tmp_path: Path) -> None:
    text = write_report((swept.folder,), tmp_path / "sweep.html").read_text()
    for heading in ("Sweep</h2>", "Course</h3>", "Searched values</h3>", "Importance</h3>", "Trials</h3>"):
        assert heading in text
    found = outcome(swept)
    assert text.count('data-chart="slice"') == len(found["spaces"]) == 3
    assert f"Trial {found['best']} was best: accuracy" in text and "The default values, trial 0, reached" in text
    failed = next(trial["number"] for trial in found["trials"] if trial["state"] == "failed")
    assert f"<p>Trial {failed} failed: " in text
    assert text.count('<details class="run"') == len(found["repeats"]) == 4
