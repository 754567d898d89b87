"""``board``: TensorBoard, started and asked for its runs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from conftest import ROOT
from torch.utils.tensorboard import SummaryWriter


def write_run(folder: Path) -> None:
    writer = SummaryWriter(str(folder / "tensorboard"))
    writer.add_scalar("main/val_loss", 0.5, 1)
    writer.close()


def test_board_prints_its_address_and_shows_runs_by_their_names(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/cls/2026-01-31_12-00-00")
    write_run(tmp_path / "runs/ssl/study/A")
    command = [sys.executable, str(ROOT / "hw1cli.py"), "board"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.match(r"TensorBoard: (http://127\.0\.0\.1:\d+/) ", line)
        assert found, line + process.stderr.read()
        names: list[str] = []
        while len(names) < 2:  # TensorBoard reads its folder in the background
            with urllib.request.urlopen(f"{found[1]}data/runs", timeout=60) as answer:
                names = json.load(answer)
        assert sorted(names) == ["cls/2026-01-31_12-00-00", "ssl/study/A"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        process.stdout.close()
        process.stderr.close()


def test_board_names_a_folder_that_does_not_exist(tmp_path: Path, hw1cli) -> None:
    answer = hw1cli("board", "nowhere", cwd=tmp_path)
    assert answer.returncode == 2 and "nowhere: is not a directory" in answer.stderr
