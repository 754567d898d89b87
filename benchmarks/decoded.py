"""Samples per second decoded in every epoch, and read from the cache of decoded pixels, in alternation.

    python benchmarks/decoded.py --json decoded.json

Land cover: scenes of 512x512 with their masks. Classification: photographs of 1600x1200, resized to 256 as the first
transform and cropped to 224. Both from generated files, in one process without workers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each; the median counts")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    rows = []
    print("data            decoded/s  cached/s  ratio  first epoch, which fills the cache")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("land cover 512", land_cover), ("photographs 224", photographs)):
            row = measure(name, *make(Path(folder), arguments.samples), Path(folder) / "cache", arguments.repeats)
            rows.append(row)
            print(
                "{data:15} {decoded:9.0f} {cached:9.0f} {ratio:6.1f}  {filling:.2f}x the time".format(**row), flush=True
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(name: str, samples: Any, shrink: Any, transform: Any, cache: Path, repeats: int) -> dict[str, Any]:
    """Samples per second with and without the cache, the outputs compared on the way."""
    from registry.engine.data.augmented import Augmented
    from registry.engine.data.decoded import open_decoded

    plain, kept = (Augmented(samples, transform, seed=0, shrink=shrink) for _ in range(2))
    kept.decoded, _ = open_decoded(samples, name, kept.before_transform(0), cache)
    first = seconds_of(kept)
    pairs = [(seconds_of(plain), seconds_of(kept)) for _ in range(repeats)]
    for index in range(len(samples)):
        one, other = plain[9, index], kept[9, index]
        assert all(np.array_equal(one[key], other[key]) for key in one), index
    decoded, cached = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "data": name,
        "decoded": len(samples) / decoded,
        "cached": len(samples) / cached,
        "ratio": statistics.median(one / other for one, other in pairs),
        "filling": first / decoded,
    }


def seconds_of(split: Any) -> float:
    """Seconds of one epoch without augmentations that cost more than reading."""
    start = time.perf_counter()
    for index in range(len(split)):
        split[1, index]
    return time.perf_counter() - start


def land_cover(folder: Path, number: int) -> tuple[Any, Any, Any]:
    """Scenes of 512x512, their masks, and a flip."""
    import albumentations

    from plugins.hw1.landcover import LandCover
    from plugins.hw1.landcover_scenes import LandCoverScenes

    LandCoverScenes(train=number, validation=1, size=512).make(folder / "scenes")
    return LandCover(folder / "scenes").split("train"), None, albumentations.Compose([albumentations.HorizontalFlip()])


def photographs(folder: Path, number: int) -> tuple[Any, Any, Any]:
    """JPEGs of 1600x1200, the short side resized to 256, and a random crop."""
    import albumentations as A
    import cv2

    from plugins.folders.image_folders import ImageFolders

    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for index in range(number if split == "train" else 2):
            path = folder / "photographs" / split / str(index % 2)
            path.mkdir(parents=True, exist_ok=True)
            coarse = random.integers(0, 256, (75, 100, 3), np.uint8)
            large = cv2.resize(coarse, (1600, 1200), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(path / f"{index}.jpg"), large)
    samples = ImageFolders(folder / "photographs").split("train")
    return samples, A.Compose([A.SmallestMaxSize(256)]), A.Compose([A.RandomCrop(224, 224)])


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(HERE))
    main()
