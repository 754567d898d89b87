"""Sweeps whose processes are killed: every trial comes to its end exactly once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest
from commands import Command
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


class Sweep(Command):  # type: ignore[misc]
    """A sweep in a process of its own; a signal to its group is like Ctrl-C on its terminal."""

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return [pid for pid, line in named.items() if b"--worker" in line]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 300
        while not condition():
            assert self.poll() is None and time.monotonic() < end, self.read()
            time.sleep(0.01)

    def output(self) -> str:
        return "".join(self.communicate(timeout=240))

    def kill(self) -> None:
        """SIGKILL for it and its workers, all at once."""
        for pid in (self.pid, *self.workers()):
            os.kill(pid, signal.SIGKILL)
        self.wait()


@pytest.fixture
def start_sweep() -> Iterator[Callable[..., Sweep]]:
    """start_sweep(recipe, out, *words): it goes on until it ends or the test does."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(closing(Sweep("sweep", *words)))


def trained(out: Path, number: int, epochs: int = 1) -> bool:
    path = out / f"trial_{number:04d}" / "metrics.jsonl"
    return path.is_file() and len(path.read_text().splitlines()) >= epochs


def endings(out: Path) -> Counter[int]:
    """How often each trial was given a final state in the journal."""
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    return Counter(line["trial_id"] for line in lines if line.get("state") in (1, 2, 3))  # complete, pruned, fail


def check(out: Path, trials: int = 4) -> list[dict]:
    """What holds of a sweep that has ended, whatever happened to it; its trials."""
    found = json.loads((out / "sweep.json").read_text())
    assert [trial["number"] for trial in found["trials"]] == list(range(trials))
    assert endings(out) == dict.fromkeys(range(trials), 1)
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


def test_a_sweep_killed_three_times_ends_as_one_that_was_not(
    searched: Path, tmp_path: Path, start_sweep: Callable[..., Sweep]
) -> None:
    out = tmp_path / "killed"
    for number in (0, 1, 2):
        sweep = start_sweep(searched, "--out", out)
        sweep.wait_for(partial(trained, out, number))
        if number == 2:  # as if it had died while it wrote a line
            sweep.kill()
            with open(out / "journal.jsonl", "a") as file:
                file.write('{"op_code":5,"worker_id":"cut of')
        else:
            sweep.kill()
        assert len(list(out.glob("trial_*/summary.json"))) <= number + 1
    last = start_sweep(searched, "--out", out)
    text = last.output()
    assert last.returncode == 0, text
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


def test_workers_are_killed_and_stopped_as_processes_and_as_jobs_of_submitit(
    searched: Path, tmp_path: Path, start_sweep: Callable[..., Sweep]
) -> None:
    out = tmp_path / "shared"
    sweep = start_sweep(searched, "--out", out, "--jobs", "2")
    sweep.wait_for(lambda: trained(out, 0) and trained(out, 1))
    victim = sweep.workers()[0]
    os.kill(victim, signal.SIGKILL)
    sweep.wait_for(lambda: len(sweep.workers()) == 2 and victim not in sweep.workers())
    sweep.wait_for(lambda: trained(out, 2))
    workers = sweep.workers()
    os.killpg(sweep.pid, signal.SIGINT)
    text = sweep.output()
    assert sweep.returncode == 75, text
    assert "a worker died (exit code -9); another one goes on with its run" in text
    assert "stopped by SIGINT" in text and "the same command goes on" in text
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    # The same command goes on with jobs of submitit as workers, in which the worker is a grandchild.
    pytest.importorskip("submitit")
    words = ("--set", "sweep.seeds=0", "--set", "sweep.trials=6", "--jobs", "2", "--executor", "local")
    rest = start_sweep(searched, "--out", out, *words)
    rest.wait_for(lambda: trained(out, 4) and len(submitted(out)) == 2)
    os.kill(submitted(out)[0], signal.SIGKILL)
    text = rest.output()
    assert rest.returncode == 0, text
    assert "a worker died (exit code -9); another one goes on with its run" in text
    assert len(list((out / "jobs").glob("*_submitted.pkl"))) == 3 and submitted(out) == []
    check(out, 6)


def submitted(out: Path) -> list[int]:
    """The workers of a sweep, whoever has started them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended just now
            if path.read_bytes().endswith(f"--out\0{out}\0--worker\0".encode()):
                found.append(int(path.parent.name))
    return found
