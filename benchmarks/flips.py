"""Milliseconds to flip and turn one image with its mask: albumentations' own transforms and the zoo's, in alternation.

    python benchmarks/flips.py --json flips.json

HorizontalFlip, VerticalFlip and RandomRotate90 at probability 0.5, as in recipes/seg_deeplab_focal.yaml, seeded for
every image as the loader does. One thread, as in a loader's worker. Large arrays are mapped and unmapped by glibc for
every image unless MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ are set, to 4294967296, say; try both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2
import numpy as np

from plugins.albumentations_zoo.transforms import make

NAMES = ("HorizontalFlip", "VerticalFlip", "RandomRotate90")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--images", type=int, default=200, help="in one measurement")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    own = albumentations.Compose([getattr(albumentations, name)(p=0.5) for name in NAMES])
    zoo = albumentations.Compose([make(name, {"p": 0.5}) for name in NAMES])
    rows = []
    print("size  albumentations  hw1cli  ratio")
    for size in arguments.sizes:
        rounds = [[ms(compose, size, arguments.images) for compose in (own, zoo)] for _ in range(arguments.rounds)]
        before, now = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(theirs / ours for theirs, ours in rounds)
        rows.append({"size": size, "albumentations_ms": before, "hw1cli_ms": now, "ratio": ratio})
        print(f"{size:4}  {before:11.3f} ms  {now:.3f}  {ratio:5.1f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def ms(compose: albumentations.Compose, size: int, images: int) -> float:
    """Mean time of an image with its mask."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (size, size, 3), np.uint8)
    mask = generator.integers(0, 7, (size, size), np.uint8)
    start = time.perf_counter()
    for number in range(images):
        compose.set_random_seed(number)
        compose(image=image, mask=mask)
    return 1e3 * (time.perf_counter() - start) / images


if __name__ == "__main__":
    main()
