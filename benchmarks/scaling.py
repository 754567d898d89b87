"""A step of several processes, measured and computed: the network's own time, and the gradients' way around a ring.

    torchrun --nproc-per-node 2 benchmarks/scaling.py --json two.json
    torchrun --nproc-per-node 4 benchmarks/scaling.py --json four.json

Each process trains the same network on its share of the batch: once without exchanging gradients, and once with
DistributedDataParallel. The computed step is the first, and an all-reduce of the gradients' bytes at the rate that
blocks of 1 and 16 MB give beforehand: seconds = latency + 2 (N - 1) / N x bytes / bandwidth, the cost of a ring
(Patarasuk and Yuan, 2009). What a network computes while its first gradients are under way makes the measured step the
shorter of the two.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import distributed
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torchvision.models import resnet18

SIDE, CLASSES = 32, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="images of all processes together")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    among = distributed.get_world_size()
    images = torch.randn(arguments.batch // among, 3, SIDE, SIDE)
    labels = torch.zeros(len(images), dtype=torch.long)
    model = DistributedDataParallel(resnet18(num_classes=CLASSES))
    size = sum(each.numel() * each.element_size() for each in model.parameters())

    def step(exchange: bool) -> None:
        with nullcontext() if exchange else model.no_sync():
            F.cross_entropy(model(images), labels).backward()

    ways: dict[str, Callable[[], None]] = {"alone": lambda: step(False), "together": lambda: step(True)}
    for megabytes in (1, 16):
        block = torch.zeros(megabytes << 18)
        ways[f"{megabytes} MB"] = lambda block=block: distributed.all_reduce(block)  # type: ignore[misc]
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds + 2):
        for name, way in ways.items():
            distributed.barrier()
            started = time.perf_counter()
            way()
            distributed.barrier()
            if number >= 2:
                found[name].append(time.perf_counter() - started)
    if distributed.get_rank() == 0:
        report({name: statistics.median(each) for name, each in found.items()}, among, size, arguments.json)
    distributed.destroy_process_group()


def report(seconds: dict[str, float], among: int, size: int, file: Path | None) -> None:
    """Print and write what was measured, and the step that follows from it."""
    travels = 2 * (among - 1) / among
    bandwidth = travels * (15 << 20) / (seconds["16 MB"] - seconds["1 MB"])
    latency = max(0.0, seconds["1 MB"] - travels * (1 << 20) / bandwidth)
    exchange = latency + travels * size / bandwidth
    row = {
        "processes": among,
        "gradient_megabytes": size / (1 << 20),
        "bandwidth_gb_per_second": bandwidth / 1e9,
        "alone_ms": seconds["alone"] * 1e3,
        "measured_ms": seconds["together"] * 1e3,
        "computed_ms": (seconds["alone"] + exchange) * 1e3,
        "computed_over_measured": (seconds["alone"] + exchange) / seconds["together"],
    }
    for name, value in row.items():
        print(f"{name:24} {value:10.2f}")
    if file is not None:
        file.write_text(json.dumps(row, indent=2) + "\n")


if __name__ == "__main__":
    main()
