"""A disk that is full: a small tmpfs is filled while a run writes its checkpoints, and before the first one."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import hw1cli as command_line
from registry.engine.records import checkpoints
from registry.errors import Hw1Error


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Write a file until nothing fits any more."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 16
    return filler


def go_on(stderr: str, *sets: str) -> Any:
    found = re.search(r"hw1cli (run [^;\n]*)", stderr)
    assert found is not None, stderr
    words = [*shlex.split(found[1]), *(word for each in sets for word in ("--set", each))]
    return CliRunner().invoke(command_line.main, words)


def test_a_full_disk_ends_the_run_with_the_cause_and_the_older_checkpoint_resumes(
    stranger: None, start: Any, recipe: Path, disk: Path
) -> None:
    out = disk / "run"
    process = start("run", recipe, "--out", out, "--set", "trainer.epochs=100000")
    process.until(out / "checkpoints" / "previous.pt")
    filler = fill(disk)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    assert "No space left on device" in stderr and "Traceback" not in stderr, stderr
    epoch = checkpoints.epoch_of(checkpoints.load(out / "checkpoints" / "last.pt"))
    filler.unlink()
    again = go_on(stderr, f"trainer.epochs={epoch + 2}")
    assert again.exit_code == 0, again.output
    assert json.loads((out / "summary.json").read_text())["status"] == "done"
    rows = [json.loads(line)["epoch"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, epoch + 3))


def test_a_full_disk_before_the_first_checkpoint_goes_on_with_the_command_printed(
    stranger: None, start: Any, recipe: Path, disk: Path
) -> None:
    out = disk / "run"
    process = start("run", recipe, "--out", out)
    process.until(out)
    filler = fill(disk)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1 and "No space left on device" in stderr and "Traceback" not in stderr, stderr
    filler.unlink()
    again = go_on(stderr.replace("RECIPE", str(recipe)))
    assert again.exit_code == 0, again.output
    assert json.loads((out / "summary.json").read_text())["status"] == "done"


def test_a_checkpoint_that_does_not_fit_leaves_the_older_one(tmp_path: Path) -> None:
    def state(size: int) -> dict[str, Any]:
        return {"task": {"weight": torch.ones(size)}, "precision": "fp32", "memory_format": "contiguous"}

    last = tmp_path / "last.pt"
    checkpoints.save(last, state(10))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(Hw1Error, match=r"last\.pt could not be written, with \d+ MB free there"):
            checkpoints.save(last, state(10**6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(checkpoints.load(last)["task"]["weight"]) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
