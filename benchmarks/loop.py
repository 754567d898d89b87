"""What the training loop costs beside the bare loop: a network whose step takes about 0.3 ms, in alternation.

    python benchmarks/loop.py --json loop.json
    torchrun --nproc-per-node 2 benchmarks/loop.py --network resnet18 --steps 20

Both train the same network with the same optimizer on the same batches in memory. The bare loop is the four lines of
every tutorial, with DistributedDataParallel in several processes. hw1cli's is ``train_epoch`` as a run calls it, with
the progress bar, the learning rate's schedule, the mean loss and accuracy of the epoch, and its record in TensorBoard,
metrics.csv and metrics.jsonl. The ratio is the median over the rounds, by the clock and of processor time; other
programs disturb the second less.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.console import Console as Terminal
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torchvision.models import resnet18

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from plugins.trackers.tensorboard import TensorBoard
from registry.engine.console import Console
from registry.engine.data.augmented import Augmented
from registry.engine.data.loader import EpochOrder
from registry.engine.data.preprocess import Preprocessor, collate
from registry.engine.records.epoch import EpochRecord
from registry.engine.records.run_folder import RunFolder
from registry.engine.records.trackers import TrackedRun, Trackers
from registry.engine.runtime import processes
from registry.engine.runtime.device import open_runtime
from registry.engine.train import loop
from registry.engine.train.run import Learning, Run
from registry.engine.train.task import Batch, Task
from registry.recipe.grammar import LoopSettings, RuntimeSettings
from registry.signals import StopRequest

SIDE, BATCH, CLASSES = 8, 64, 10
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def network(width: int | None) -> nn.Module:
    """Two linear layers of a width, or a ResNet-18 for small images."""
    if width is None:
        return resnet18(num_classes=CLASSES)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, width), nn.ReLU(), nn.Linear(width, CLASSES))


class Classify(Task):
    """Images through a network."""

    def __init__(self, width: int | None) -> None:
        super().__init__()
        self.model = network(width)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.model(batch["image"])
        right = logits.detach().argmax(1) == batch["label"]
        return {"loss": F.cross_entropy(logits, batch["label"]), "accuracy": right.float().mean()}


class InMemory:
    """Batches in memory, in place of a loader."""

    def __init__(self, batches: list[dict[str, Any]]) -> None:
        self.batches = self.batch_sampler = batches

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.batches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="of an epoch, which is one measurement")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--network", choices=["linear", "resnet18"], default="linear")
    parser.add_argument("--width", type=int, default=128, help="of the linear network's hidden layer")
    parser.add_argument("--profile", action="store_true", help="show where hw1cli's loop spends its time")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    processes.start(60)
    width = arguments.width if arguments.network == "linear" else None
    batches = made(arguments.steps, SIDE if width else 32)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        epoch = ours(width, batches, Path(folder), Terminal(file=nowhere, force_terminal=True))
        ways = {"bare": bare(width, batches), "hw1cli": epoch}
        for way in ways.values():
            way()
        if arguments.profile:
            with cProfile.Profile() as profile:
                epoch()
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        rounds = [{name: seconds(way) for name, way in ways.items()} for _ in range(arguments.rounds)]
    if processes.rank() > 0:
        return
    row: dict[str, Any] = {"steps": arguments.steps, "rounds": arguments.rounds}
    print(f"{'':10} {'bare':>8} {'hw1cli':>8} {'ratio':>6}   ms a step")
    for clock, place in (("clock", 0), ("processor", 1)):
        each = {name: statistics.median(found[name][place] for found in rounds) for name in ways}
        ratio = statistics.median(found["hw1cli"][place] / found["bare"][place] for found in rounds)
        milliseconds = {name: value / arguments.steps * 1e3 for name, value in each.items()}
        row[clock] = {**milliseconds, "ratio": ratio}
        print(f"{clock:10} {milliseconds['bare']:8.3f} {milliseconds['hw1cli']:8.3f} {ratio:6.2f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(row, indent=2) + "\n")


def made(number: int, side: int) -> list[dict[str, Any]]:
    """Collated batches of noise, as a loader gives them."""
    generator = np.random.default_rng(0)
    return [
        collate(
            [
                {
                    "image": generator.integers(0, 256, (side, side, 3), np.uint8),
                    "label": int(generator.integers(CLASSES)),
                    "name": f"{batch}/{index}",
                    "index": index,
                }
                for index in range(BATCH)
            ]
        )
        for batch in range(number)
    ]


def bare(width: int | None, batches: list[dict[str, Any]]) -> Callable[[], None]:
    """An epoch of the plain loop."""
    torch.manual_seed(0)
    model: nn.Module = network(width)
    if processes.process_count() > 1:
        model = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))

    def epoch() -> None:
        model.train()
        for batch in batches:
            images = (batch["image"].float() / 255 - mean) / std
            loss = F.cross_entropy(model(images), batch["label"])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def ours(width: int | None, batches: list[dict[str, Any]], folder: Path, terminal: Terminal) -> Callable[[], None]:
    """An epoch of hw1cli's loop, with its record."""
    runtime = open_runtime(RuntimeSettings(device="cpu"), "fp32", "contiguous", "for the benchmark")
    torch.manual_seed(0)
    task = Classify(width)
    settings = {field.name: field.default for field in fields(LoopSettings) if field.default is not MISSING}
    plan: Any = SimpleNamespace(loop=LoopSettings(**{**settings, "epochs": 10**6}), seed=0, reports=())
    rank, among = processes.rank(), processes.process_count()
    order = EpochOrder(len(batches) * BATCH * among, BATCH * among, seed=None, share=(rank, among), pads=True)
    split = Augmented([], None, seed=None)  # type: ignore[arg-type]
    preprocess = Preprocessor(MEAN, STD, torch.device("cpu"))
    trackers = Trackers(folder, {"tensorboard": TensorBoard()})
    trackers.start(TrackedRun("loop", folder), print)
    run = Run(plan, RunFolder(folder), {}, runtime, task, split, None, preprocess, Console(terminal), trackers)
    wrapped, optimizer = runtime.fabric.setup(task, torch.optim.AdamW(task.parameters(), fused=True))
    loader: Any = InMemory(batches)
    learning = Learning(wrapped, optimizer, lambda step: 1 / (1 + 1e-6 * step), loader, order, [])

    def epoch() -> None:
        with StopRequest() as stop, run.console.progress(len(batches), "batches") as progress:
            loop.train_epoch(run, learning, stop, progress)
        position = run.position
        train = {name: value / position.images for name, value in position.sums.items()}
        run.trackers.epoch(EpochRecord(position.epoch, train, {}, {"seconds": position.epoch_seconds}))
        position.next_epoch()

    return epoch


def seconds(way: Callable[[], None]) -> tuple[float, float]:
    """Of an epoch, by the clock and of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
