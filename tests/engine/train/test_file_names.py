"""File names that are unusual: line breaks, 255 bytes, bytes that are not UTF-8; in train, evaluate and predict."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from runs import train

LONG = "x" * 251 + ".png"
BROKEN = 'two\nlines, "quoted".png'


@pytest.fixture
def odd(colored_images: Path, tmp_path: Path) -> Path:
    """The images of three colours, two of each split renamed."""
    root = tmp_path / "odd"
    shutil.copytree(colored_images, root)
    for split in ("train", "val"):
        (root / split / "red" / "0.png").rename(root / split / "red" / LONG)
        (root / split / "red" / "1.png").rename(root / split / "red" / BROKEN)
    return root


@pytest.fixture
def run(stranger, shapes: Path, odd: Path, tmp_path: Path) -> Path:
    """A run that learned from them."""
    train(shapes, tmp_path / "run", f"data.root={odd}", "trainer.epochs=1")
    return tmp_path / "run"


def test_long_names_and_line_breaks_work_everywhere(run, odd, tmp_path, hw1cli):
    ended = hw1cli("evaluate", run, "--out", tmp_path / "scores")
    assert ended.returncode == 0, ended.stderr
    names = [row["name"] for row in csv.DictReader((tmp_path / "scores" / "per_image.csv").open(newline=""))]
    assert {f"red/{LONG}", f"red/{BROKEN}"} <= set(names)
    ended = hw1cli("predict", run, odd / "val" / "red", "--out", tmp_path / "labels.csv")
    assert ended.returncode == 0, ended.stderr
    names = [row["filename"] for row in csv.DictReader((tmp_path / "labels.csv").open(newline=""))]
    assert {LONG, BROKEN} <= set(names)


def test_a_name_that_is_not_utf8_is_refused_in_one_message(run, shapes, odd, tmp_path, hw1cli):
    for split in ("train", "val"):
        source = odd / split / "green" / "0.png"
        source.rename(source.with_name(os.fsdecode(b"caf\xe9.png")))
    for words in (
        ("run", shapes, "--set", f"data.root={odd}", "--out", tmp_path / "other"),
        ("evaluate", run, "--out", tmp_path / "scores"),
        ("predict", run, odd / "val" / "green", "--out", tmp_path / "labels.csv"),
    ):
        ended = hw1cli(*words)
        assert ended.returncode == 2, (words[0], ended.stdout, ended.stderr)
        assert "caf\\udce9.png" in ended.stderr and "is not UTF-8" in ended.stderr
        assert "Traceback" not in ended.stderr
