"""Seconds to make one land-cover scene, written as JPEG and PNG, by size and number of threads.

    python benchmarks/scenes.py --json scenes.json
    python benchmarks/scenes.py --against ../hw1cli-before     # another checkout, in alternation

Each measurement runs in a process of its own, in which glibc keeps large blocks as it does under ``hw1cli`` (see
registry/engine/runtime/allocator.py). A checkout whose generator knows no threads uses one. Where other programs use
the processors, too, look at processor time.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

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
        print(*measure(*arguments.measure))
        return
    rows = []
    header = f"size  threads  {'seconds a scene':>17}" + f"{'before':>19}{'ratio':>15}" * bool(arguments.against)
    print(f"{header}     (clock, processor)")
    for size in arguments.sizes:
        for threads in arguments.threads:
            pairs = []
            for _ in range(arguments.repeats):
                pairs.append([run(root, size, threads, arguments.scenes) for root in (HERE, arguments.against) if root])
            times = np.array(pairs)  # (repeats, checkouts, 2)
            row: dict[str, Any] = {"size": size, "threads": threads}
            row |= dict(zip(("seconds", "before"), np.median(times, axis=0).round(5).tolist(), strict=False))
            if arguments.against:
                row["ratio"] = np.median(times[:, 1] / times[:, 0], axis=0).round(2).tolist()
            rows.append(row)
            shown = [f"{row[name][0]:9.4f} {row[name][1]:7.4f}" for name in ("seconds", "before") if name in row]
            shown += [f"{row['ratio'][0]:6.1f} {row['ratio'][1]:6.1f}"] * bool(arguments.against)
            print(f"{size:4}  {threads:7}  {'  '.join(shown)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def run(root: Path, size: int, threads: int, scenes: int) -> list[float]:
    """``measure`` in a process that imports the checkout at ``root``."""
    command = [sys.executable, __file__, "--measure", str(size), str(threads), str(scenes)]
    kept = {name: str(2**31 - 1) for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")}
    environment = {**os.environ, **kept, "PYTHONPATH": str(root.resolve())}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return [float(figure) for figure in done.stdout.split()]


def measure(size: int, threads: int, scenes: int) -> tuple[float, float]:
    """Seconds a scene by the clock and of processor time, of ``scenes`` training scenes."""
    from plugins.hw1.landcover_scenes import LandCoverScenes

    generator = LandCoverScenes(train=scenes, validation=0, size=size)
    generator.scene("train", 0)  # what is only computed once
    options = {"threads": threads} if "threads" in inspect.signature(generator.make).parameters else {}
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter(), time.process_time()
        generator.make(Path(folder), **options)
        return (time.perf_counter() - start) / scenes, (time.process_time() - used) / scenes


if __name__ == "__main__":
    main()
