"""Checkpoints on the disk: processes are killed, bytes flipped, files deleted, disks filled."""

from __future__ import annotations

import multiprocessing
import random
import time
from itertools import count
from pathlib import Path
from typing import Any

import torch

from registry.engine.records import checkpoints


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def state(number: int, size: int = 1000) -> dict:
    return {"task": {"weight": torch.full((size,), number)}, "precision": "fp32", "memory_format": "contiguous"}


def number_in(path: Path) -> int:
    return int(checkpoints.load(path)["task"]["weight"][0])


def test_a_damaged_checkpoint_never_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    last, previous = tmp_path / "last.pt", tmp_path / "previous.pt"
    for number in range(3):
        checkpoints.save(last, state(number))
    assert (number_in(last), number_in(previous)) == (2, 1)
    flip_a_byte(last)
    checkpoints.save(last, state(3))
    assert (number_in(last), number_in(previous)) == (3, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "previous.pt"]


def save_for_ever(folder: Path, begun: Any) -> None:
    for number in count():
        checkpoints.save(folder / "last.pt", state(number, 300_000))
        if number == 1:
            begun.set()


def test_a_process_killed_while_it_saves_leaves_two_whole_checkpoints(tmp_path: Path) -> None:
    chance, processes = random.Random(0), multiprocessing.get_context("fork")
    for _ in range(8):
        begun = processes.Event()
        process = processes.Process(target=save_for_ever, args=(tmp_path, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.join()
        last, previous = number_in(tmp_path / "last.pt"), number_in(tmp_path / "previous.pt")
        assert last - previous in (0, 1, 2)
