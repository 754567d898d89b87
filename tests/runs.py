"""Shared by the tests: runs carried out in this process, and what they leave behind."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from registry.catalog.registry import Registry
from registry.engine.records import checkpoints
from registry.engine.train.session import execute
from registry.recipe.request import Request, planned


def train(recipe: Path, out: Path, *sets: str, resume: bool = False) -> dict:
    plan = planned(Request(recipe, sets=sets), Registry())
    with open(os.devnull, "w") as nowhere:
        return execute(plan, Console(file=nowhere), out=out, resume=resume)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(out / "checkpoints" / "last.pt")["task"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def events(out: Path) -> tuple[dict[str, list[int]], list[str]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(out / "tensorboard"))
    read.Reload()
    tags = read.Tags()
    return {tag: [event.step for event in read.Scalars(tag)] for tag in tags["scalars"]}, tags["images"]


def metrics(out: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``, without times."""
    with open(out / "metrics.csv", encoding="utf-8", newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in csv.DictReader(file)
        ]


@contextmanager
def stopped_at(path: Path) -> Iterator[None]:
    """SIGTERM to this process as soon as the file exists."""
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set() and not path.exists():
            time.sleep(0.002)
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
