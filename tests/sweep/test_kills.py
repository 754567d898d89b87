"""Sweeps whose processes are killed: every trial comes to its end exactly once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import ROOT
from optuna.trial import TrialState

from registry.catalog.registry import Registry
from registry.recipe.request import Request, every_problem, planned_sweep
from registry.results.runs import read
from registry.sweep.trials import Trials

pytestmark = pytest.mark.slow


@pytest.fixture
def searched(tmp_path: Path, stranger: None, colored_images: Path) -> Path:
    path = tmp_path / "searched.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 4}}
        data: {{use: image_folders, root: {colored_images}}}
        model: {{use: classifier, backbone: stranger_net}}
        optimizer:
          search: choice
          of: [{{use: adamw, lr: {{search: log, low: 1e-4, high: 1e-1}}}}, {{use: sgd, lr: 1e-2}}]
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        trackers: []
        sweep: {{trials: 4, random: 2, seeds: 1}}
        """)
    )
    return path


class Sweep:
    """A sweep in a process of its own."""

    def __init__(self, recipe: Path, out: Path, *words: str) -> None:
        command = [sys.executable, str(ROOT / "hw1cli.py"), "sweep", str(recipe), "--out", str(out), *words]
        # A group of its own, so that a signal to it is like Ctrl-C on its terminal.
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return [pid for pid, line in named.items() if b"--worker" in line]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 300
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.output()
            time.sleep(0.01)

    def output(self) -> str:
        return self.process.communicate(timeout=240)[0]

    def kill(self) -> None:
        """SIGKILL for it and its workers, all at once."""
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def trained(out: Path, number: int, epochs: int = 1) -> bool:
    path = out / f"trial_{number:04d}" / "metrics.jsonl"
    return path.is_file() and len(path.read_text().splitlines()) >= epochs


def endings(out: Path) -> Counter[int]:
    """How often each trial was given a final state in the journal."""
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    return Counter(line["trial_id"] for line in lines if line.get("state") in (1, 2, 3))  # complete, pruned, fail


def check(out: Path) -> list[dict]:
    """What holds of a sweep that has ended, whatever happened to it; its trials."""
    found = json.loads((out / "sweep.json").read_text())
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3]
    assert endings(out) == dict.fromkeys(range(4), 1)
    for trial in found["trials"]:
        assert trial["state"] in ("done", "pruned") and trial["reason"] is None
        run = read(out / f"trial_{trial['number']:04d}")
        assert run.summary["status"] == trial["state"]
        assert [row["epoch"] for row in run.rows] == [epoch for epoch, _ in trial["curve"]]
        assert [row["accuracy"] for row in run.rows] == pytest.approx([score for _, score in trial["curve"]])
    assert {read(out / name).summary["status"] for name in found["repeats"]} <= {"done"} and not found["failures"]
    compared = found["comparison"] or {"settings": []}
    assert [len(each["runs"]) for each in compared["settings"]] == [1] * len(found["repeats"])
    return found["trials"]


def test_a_sweep_killed_three_times_ends_as_one_that_was_not(searched: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    for number in (0, 1, 2):
        sweep = Sweep(searched, out)
        sweep.wait_for(partial(trained, out, number))
        if number == 2:  # as if it had died while it wrote a line
            sweep.kill()
            with open(out / "journal.jsonl", "a") as file:
                file.write('{"op_code":5,"worker_id":"cut of')
        else:
            sweep.kill()
        assert len(list(out.glob("trial_*/summary.json"))) <= number + 1
    last = Sweep(searched, out)
    text = last.output()
    assert last.process.returncode == 0, text
    assert "trials have ended in an earlier call" in text
    assert every_problem(Request(out / "best.yaml"), Registry()) == []
    # What is suggested depends on the seed and the trials before alone: the same without any kill.
    plan, settings = planned_sweep(Request(searched), Registry())
    (tmp_path / "whole").mkdir()
    whole = Trials(tmp_path / "whole", plan.recipe, settings, plan.loop.epochs)
    for trial in check(out):
        job = whole.next()
        assert job is not None and job.trial is not None and job.trial.params == trial["values"]
        for epoch, score in trial["curve"]:
            whole.report(job.trial, score, epoch, ("accuracy", True, 3))
        state = TrialState.COMPLETE if trial["state"] == "done" else TrialState.PRUNED
        whole.tell(job.trial, state, trial["score"])


def test_a_worker_of_two_is_killed_and_ctrl_c_stops_the_other(searched: Path, tmp_path: Path) -> None:
    out = tmp_path / "shared"
    sweep = Sweep(searched, out, "--jobs", "2")
    sweep.wait_for(lambda: trained(out, 0) and trained(out, 1))
    victim = sweep.workers()[0]
    os.kill(victim, signal.SIGKILL)
    sweep.wait_for(lambda: len(sweep.workers()) == 2 and victim not in sweep.workers())
    sweep.wait_for(lambda: trained(out, 2))
    workers = sweep.workers()
    os.killpg(sweep.process.pid, signal.SIGINT)
    text = sweep.output()
    assert sweep.process.returncode == 75, text
    assert "a worker died (exit code -9); another one goes on with its run" in text
    assert "stopped by SIGINT" in text and "the same command goes on" in text
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    rest = Sweep(searched, out, "--set", "sweep.seeds=0")
    text = rest.output()
    assert rest.process.returncode == 0, text
    check(out)
