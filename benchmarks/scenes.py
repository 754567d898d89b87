"""Seconds to make one land-cover scene, written as JPEG and PNG, by size and number of threads.

    python benchmarks/scenes.py --json scenes.json
    python benchmarks/scenes.py --against ../hw1cli-before     # another checkout, in alternation

Each measurement runs in a process of its own, in which glibc keeps large blocks as it does under ``hw1cli`` (see
registry/engine/allocator.py). A checkout whose generator has no threads uses one.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scenes", type=int, default=24, help="in one measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each; the median counts")
    parser.add_argument("--against", type=Path, help="another checkout of hw1cli to compare with")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--measure", nargs=3, type=int, metavar=("SIZE", "THREADS", "SCENES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(*arguments.measure))
        return
    rows = []
    print("size  threads  seconds a scene" + "  before  ratio" * bool(arguments.against))
    for size in arguments.sizes:
        for threads in arguments.threads:
            pairs = []
            for _ in range(arguments.repeats):
                pairs.append([run(root, size, threads, arguments.scenes) for root in (HERE, arguments.against) if root])
            medians = [statistics.median(seconds) for seconds in zip(*pairs, strict=True)]
            row = {"size": size, "threads": threads, "seconds": medians[0]}
            line = f"{size:4}  {threads:7}  {medians[0]:15.4f}"
            if arguments.against:
                row |= {"before": medians[1], "ratio": statistics.median(before / now for now, before in pairs)}
                line += f"  {medians[1]:6.4f}  {row['ratio']:5.1f}"
            rows.append(row)
            print(line, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def run(root: Path, size: int, threads: int, scenes: int) -> float:
    """``measure`` in a process that imports the checkout at ``root``."""
    command = [sys.executable, __file__, "--measure", str(size), str(threads), str(scenes)]
    kept = {name: str(2**31 - 1) for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")}
    environment = {**os.environ, **kept, "PYTHONPATH": str(root.resolve())}
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout)


def measure(size: int, threads: int, scenes: int) -> float:
    """Seconds a scene, of ``scenes`` training scenes."""
    from plugins.hw1.landcover_scenes import LandCoverScenes

    generator = LandCoverScenes(train=scenes, validation=0, size=size)
    generator.scene("train", 0)  # what is only computed once
    options = {"threads": threads} if "threads" in inspect.signature(generator.make).parameters else {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generator.make(Path(folder), **options)
        return (time.perf_counter() - start) / scenes


if __name__ == "__main__":
    main()
