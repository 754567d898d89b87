"""Runs of a study in processes of their own: the same results, one that is killed, all of them stopped."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest
from commands import Command
from runs import same, weights

from registry.cli.commands.run import run_recipe
from registry.cli.commands.study.parallel import Parallel
from registry.errors import Hw1Error, InputError
from registry.recipe.request import Request


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of three runs over digits, one of which starts from another one's weights."""
    from plugins.folders.digits import Digits

    root = tmp_path_factory.mktemp("jobs")
    Digits(16, digits=[0, 1]).make(root / "digits")
    recipe = root / "three.yaml"
    recipe.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 2, batch_size: 64, save_every: 1 epoch}}
        data: {{use: labelled_names, root: {root}/digits}}
        model: {{use: resnet18, width: 8, stem: cifar}}
        runtime: {{device: cpu, precision: fp32, memory_format: contiguous, workers: 0}}
        runs:
          first: {{}}
          after: {{model: {{weights: "${{runs.first}}"}}}}
          other: {{seed: 1}}
        """)
    )
    run_recipe(Request(recipe, out=root / "one by one"))
    return recipe


def member(name: str) -> int | None:
    """The process that trains a run."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[-3:-1] == [b"--member", name.encode()]:
            return int(entry.name)
    return None


def states(out: Path) -> dict[str, str]:
    return {name: each["state"] for name, each in json.loads((out / "jobs.json").read_text()).items()}


def test_a_killed_run_fails_alone_and_the_same_command_reaches_the_same_weights(study: Path, tmp_path: Path) -> None:
    out, request = tmp_path / "out", Request(study, out=tmp_path / "out")

    def kill() -> None:
        while not (out / "first" / "checkpoints" / "last.pt").is_file():
            time.sleep(0.002)
        process = member("first")
        assert process is not None
        os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    executor = "local" if find_spec("submitit") else None
    with pytest.raises(Hw1Error, match=r"2 runs of the study failed: first: killed by SIGKILL.*after: needs first"):
        run_recipe(request, parallel=Parallel(request, 2, executor))
    thread.join()
    assert states(out) == {"first": "failed", "after": "skipped", "other": "done"}
    assert "writing to" in (out / "logs" / "other.txt").read_text()

    run_recipe(request, parallel=Parallel(request, 2))
    assert states(out) == {"first": "done", "after": "done"} and "resumed" in (out / "logs" / "first.txt").read_text()
    before = study.parent / "one by one"
    assert all(same(weights(out / name), weights(before / name)) for name in ("first", "after", "other"))
    scores = [json.loads((folder / "study.json").read_text())["accuracy"] for folder in (out, before)]
    assert scores[0] == scores[1]


def test_a_signal_stops_all_runs_with_75_and_none_is_left(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = Command("run", study, "--out", out, "--jobs", 2, "--set", "trainer.epochs=500")
    try:
        command.until(out / "first" / "checkpoints" / "last.pt")
        command.until(out / "other" / "checkpoints" / "last.pt")
        processes = [process for name in ("first", "other") if (process := member(name)) is not None]
        command.send_signal(signal.SIGINT)
        assert command.wait(120) == 75, command.read()
    finally:
        command.close()
    assert len(processes) == 2 and not any(Path(f"/proc/{process}").exists() for process in processes)
    assert states(out) == {"first": "stopped", "after": "waiting", "other": "stopped"}
    assert json.loads((out / "first" / "summary.json").read_text())["status"] == "stopped"


def test_jobs_are_of_studies_and_assign_the_gpus(study: Path, tmp_path: Path) -> None:
    one = Request(study, ("runs=null",), out=tmp_path / "out")
    with pytest.raises(InputError, match="--jobs: is of the runs of a study"):
        run_recipe(one, parallel=Parallel(one, 2))
    named = Request(study, ("runtime.device=cuda:1",), out=tmp_path / "out")
    with pytest.raises(InputError, match="of first is cuda:1, and with --jobs every run gets a GPU"):
        run_recipe(named, parallel=Parallel(named, 2))
    assert not (tmp_path / "out").exists()
