"""Terminals without Unicode or width, readers that leave, closed streams: a run outlasts them all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

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


@pytest.mark.parametrize(
    ("streams", "environment"),
    [
        ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "40"}),
        ("| head -n 1", {}),
        (">&-", {}),
        (">&- 2>&- <&-", {}),
        ("> /dev/full", {}),
    ],
    ids=["ASCII in 40 columns", "head", "closed output", "everything closed", "output to a full disk"],
)
def test_a_run_ends_well_whatever_it_prints_to(small, tmp_path, streams, environment):
    run = shlex.join([sys.executable, str(ROOT / "hw1cli.py"), "run", str(small), "--out", str(tmp_path / "run")])
    ended = shell(f"{run} {streams}", **environment)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr
    assert read(tmp_path / "run").summary["status"] == "done"
    assert (tmp_path / "run" / "log.txt").read_text(encoding="utf-8").count("epoch ") >= 2
    if environment:
        table = ended.stdout[ended.stdout.index("val_loss  ") - 400 :]
        assert "accuracy" in table and "run folder" in table and ended.stdout.isascii()


def test_list_to_a_closed_output_is_not_a_traceback():
    ended = shell(f"{shlex.quote(sys.executable)} {ROOT}/hw1cli.py list losses >&-")
    assert ended.returncode == 0 and ended.stderr == ""
