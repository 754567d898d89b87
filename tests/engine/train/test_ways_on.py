"""Ways on after a kill, a divergence and lost checkpoints: every command that a message prints is carried out."""

from __future__ import annotations

import json
import math
import re
import shlex
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from commands import Command
from runs import same, train, weights

import hw1cli as command_line
from registry.engine.records import checkpoints
from registry.engine.train.step.not_finite import replay
from registry.errors import InputError

#: The rate becomes 1e27 in the second epoch.
DIVERGING = ("schedule={use: step, at: [0.5], factor: 1e30}", "optimizer={use: adamw, lr: 1e-3}")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without --out are written below the test's folder."""
    monkeypatch.chdir(tmp_path)


def run_cli(*words: Any) -> Any:
    """The command line in this process: its exit code and what it prints."""
    return CliRunner().invoke(command_line.main, [str(word) for word in words])


def copied(text: str) -> list[str]:
    """The words of the first command that a message contains."""
    found = re.search(r"hw1cli (run [^;\n]*)", text)
    assert found is not None, text
    return shlex.split(found[1])


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def test_after_a_divergence_the_command_printed_starts_a_new_run_before_it(
    stranger: None, recipe: Path, tmp_path: Path
) -> None:
    sets = [word for each in DIVERGING for word in ("--set", each)]
    failed = run_cli("run", recipe, "--out", tmp_path / "run", *sets)
    assert failed.exit_code == 1 and "loss is" in failed.output
    command = copied(failed.output)
    assert command == ["run", "--from", str(tmp_path / "run"), "--set", "optimizer.lr=0.0001"]
    again = run_cli(*command, "--set", "schedule=constant", "--out", tmp_path / "new")
    assert again.exit_code == 0, again.output
    summary = summary_of(tmp_path / "new")
    assert summary["from"]["checkpoint"] == "last.pt" and summary["from"]["epoch"] == 1
    assert json.loads((tmp_path / "new" / "plan.json").read_text())["from"] == summary["from"]
    caveat = next(text for text in summary["caveats"] if text.startswith("started from"))
    assert f"{tmp_path / 'run'}/checkpoints/last.pt, after epoch 1" in caveat
    assert "optimizer.lr was 0.001, is 0.0001" in caveat and "schedule was step, is constant" in caveat
    rows = [json.loads(line) for line in (tmp_path / "new" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["lr"]) for row in rows] == [(2, 1e-4)]
    assert summary_of(tmp_path / "run")["status"] == "failed"  # the old run is as it was
    resumed = train(tmp_path / "new" / "recipe.yaml", tmp_path / "new", "trainer.epochs=3", resume=True)
    assert resumed["from"] == summary["from"] and caveat in resumed["caveats"]


def test_a_divergence_before_the_first_checkpoint_prints_a_command_that_starts_again(
    stranger: None, recipe: Path, tmp_path: Path
) -> None:
    failed = run_cli("run", recipe, "--out", tmp_path / "run", "--set", "optimizer.lr=1e30")
    command = copied(failed.output)
    assert command == ["run", str(tmp_path / "run" / "recipe.yaml"), "--set", "optimizer.lr=1e+29"]
    again = run_cli(*command, "--set", "optimizer.lr=1e-3", "--out", tmp_path / "new")
    assert again.exit_code == 0, again.output
    (step,) = (tmp_path / "run" / "failed_steps").iterdir()
    replayed = replay(step)
    assert not math.isfinite(replayed["figures"][0]["loss"]) and replayed["module"].startswith("model."), replayed


def test_a_run_from_the_same_state_with_nothing_changed_takes_the_same_steps(
    stranger: None, recipe: Path, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=3", "trainer.keep_every=1")
    again = run_cli("run", "--from", tmp_path / "run", "--checkpoint", 2, "--out", tmp_path / "new")
    assert again.exit_code == 0, again.output
    assert same(weights(tmp_path / "run"), weights(tmp_path / "new"))


def test_a_run_from_a_state_says_what_it_cannot_start_from(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    start = ("run", "--from", tmp_path / "run")
    assert "trainer.epochs=4" in run_cli(*start).output
    assert "previous.pt is whole" not in (lost := run_cli(*start, "--checkpoint", 1)).output and lost.exit_code == 2
    assert "last.pt is whole: --checkpoint last" in lost.output
    assert "exclude each other" in run_cli(*start, recipe).output
    assert "'previous'" in run_cli(*start, "--checkpoint", "previos").output
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    state = checkpoints.load(last)
    next(iter(state["task"].values())).fill_(torch.nan)
    torch.save(state, last)
    refused = run_cli(*start, "--set", "trainer.epochs=4")
    assert refused.exit_code == 2 and "--checkpoint previous is finite" in refused.output
    other = run_cli(*start, "--set", "trainer.epochs=4", "--set", "model.backbone.width=16", "--checkpoint", "best")
    assert other.exit_code == 2 and "does not fit this run" in other.output


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run, times left out."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row.keys() - {"seconds", "images_per_second"}} for row in rows]


def begin_and_kill(recipe: Path, out: Path) -> None:
    """A run killed before its first checkpoint."""
    with closing(Command("run", recipe, "--out", out)) as process:
        process.until(out / "environment.json")


def test_a_run_killed_in_its_first_epoch_goes_on_with_the_command_printed(
    stranger: None, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    begin_and_kill(recipe, out)
    assert not (out / "checkpoints" / "last.pt").exists()
    (out / "notes.txt").write_text("mine")
    refused = run_cli("run", recipe, "--out", out)
    assert refused.exit_code == 2 and "already holds a run" in refused.output
    again = run_cli(*copied(refused.output))
    assert again.exit_code == 0, again.output
    assert (out / "notes.txt").read_text() == "mine"
    summary = summary_of(out)
    assert summary["epochs"] == 2 and any("before its first checkpoint" in text for text in summary["caveats"])
    train(recipe, tmp_path / "whole")
    assert same(weights(out), weights(tmp_path / "whole"))


def test_processes_that_torchrun_starts_again_go_on_with_the_run_of_the_folder(
    stranger: None, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    begin_and_kill(recipe, out)
    with pytest.raises(InputError, match="already holds a run"):
        train(recipe, out)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert train(recipe, out, "trainer.epochs=1")["epochs"] == 1
    assert train(recipe, out)["epochs"] == 2
    train(recipe, tmp_path / "whole")
    assert rows_of(out) == rows_of(tmp_path / "whole") and same(weights(out), weights(tmp_path / "whole"))


#: A report that kills its run as soon as the epoch's best.pt is written.
KILLING = {
    "killing.py": """
    import os, signal, time
    def kills() -> "object":
        "Kills the run."
        return Report()
    class Report:
        at = ["first"]
        def __call__(self, run, epoch):
            while not run.folder.best.exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
    """
}


def test_a_run_killed_between_its_first_best_pt_and_the_end_of_the_epoch_resumes_exactly(
    stranger: None, install: Any, hw1cli: Any, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    install("killing", {"reports/kills": "killing:kills"}, KILLING)
    ended = hw1cli("run", recipe, "--out", out, "--set", "reports=[kills]", "--set", "trainer.save_every=9 epochs")
    assert ended.returncode == -signal.SIGKILL
    assert (out / "checkpoints" / "best.pt").exists()
    again = run_cli("run", recipe, "--out", out, "--resume")
    assert again.exit_code == 0, again.output
    train(recipe, tmp_path / "whole")
    assert same(weights(out), weights(tmp_path / "whole"))
    assert rows_of(out) == rows_of(tmp_path / "whole")


def test_lost_checkpoints_are_reported_with_a_command_that_works(stranger: None, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(recipe, out)
    for name in ("last.pt", "previous.pt"):
        (out / "checkpoints" / name).unlink()
    best = (out / "checkpoints" / "best.pt").read_bytes()
    for words in (("--resume",), ()):
        refused = run_cli("run", recipe, "--out", out, *words)
        assert refused.exit_code == 2
        assert copied(refused.output.replace(" or ", ";"))[:5] == ["run", "--from", str(out), "--checkpoint", "best"]
    again = run_cli(*copied(refused.output), "--set", "trainer.epochs=4", "--out", tmp_path / "new")
    assert again.exit_code == 0, again.output
    assert summary_of(tmp_path / "new")["from"]["checkpoint"] == "best.pt"
    assert any("its optimizer without an earlier state" in text for text in summary_of(tmp_path / "new")["caveats"])
    assert (out / "checkpoints" / "best.pt").read_bytes() == best


def test_other_settings_are_refused_with_two_ways_on(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    with pytest.raises(InputError) as caught:
        train(recipe, tmp_path / "run", "optimizer={use: adamw, lr: 1e-5}", resume=True)
    hint = str(caught.value.problems[0].hint)
    assert f"--from {tmp_path / 'run'} --set optimizer.lr=" in hint
    again = run_cli(*copied(hint), "--set", "trainer.epochs=2")
    assert again.exit_code == 0, again.output


def test_more_epochs_and_a_new_patience_go_on_with_a_run_that_had_ended(
    stranger: None, recipe: Path, tmp_path: Path
) -> None:
    sets = ["trainer.epochs=12", "optimizer={use: adamw, lr: 0.3}"]
    first = train(recipe, tmp_path / "run", *sets, "trainer.patience=1")
    assert first["epochs"] < 12
    more = train(recipe, tmp_path / "run", *sets, "trainer.epochs=14", "trainer.patience=20", resume=True)
    assert more["epochs"] == 14 and more["status"] == "done"
    assert {"trainer.patience was 1, is 20", "trainer.epochs was 12, is 14"} <= set(more["caveats"])
