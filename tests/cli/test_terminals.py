"""Terminals without Unicode or width, readers that leave, closed streams: a run outlasts them all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import CLOSED, ROOT

from registry.results.runs import read


@pytest.fixture
def small(colored_images: Path, tmp_path: Path) -> Path:
    """A recipe whose name ASCII cannot write."""
    path = tmp_path / "größe.yaml"
    path.write_text(
        "trainer: {use: classification, epochs: 2, batch_size: 8}\n"
        f"data: {{use: image_folders, root: {colored_images}}}\n"
        "model: {use: classifier, backbone: {use: resnet18, width: 8}}\nreports: [confusion_matrix]\n"
        "runtime: {precision: fp32, memory_format: contiguous, workers: 0}\n"
    )
    return path


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", f"set -o pipefail; {line}"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


def ended_well(run: Path, stderr: str) -> None:
    assert "Traceback" not in stderr and "Exception ignored" not in stderr
    assert read(run).summary["status"] == "done"
    assert (run / "log.txt").read_text(encoding="utf-8").count("epoch ") >= 2


def test_a_run_prints_to_ascii_in_40_columns(small, tmp_path):
    run = shlex.join([sys.executable, str(ROOT / "hw1cli.py"), "run", str(small), "--out", str(tmp_path / "run")])
    ended = shell(run, LC_ALL="C", PYTHONUTF8="0", COLUMNS="40")
    assert ended.returncode == 0, ended.stderr
    ended_well(tmp_path / "run", ended.stderr)
    table = ended.stdout[ended.stdout.index("val_loss  ") - 400 :]
    assert "accuracy" in table and "run folder" in table and ended.stdout.isascii()


def test_a_run_outlasts_closed_streams_a_full_disk_and_a_reader_that_leaves(small, tmp_path, start):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for output, name in ((Path("/dev/full"), "full"), (fifo, "head"), (CLOSED, "closed")):
        run = tmp_path / name
        process = start("run", small, "--out", run, output=output)
        if output is fifo:
            with open(fifo) as reader:
                assert reader.readline()
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
        ended_well(run, stderr)


def test_list_to_a_closed_output_is_not_a_traceback():
    ended = shell(f"{shlex.quote(sys.executable)} {ROOT}/hw1cli.py list losses >&-")
    assert ended.returncode == 0 and ended.stderr == ""
