"""Milliseconds for two BYOL views of one image: Lightly's BYOLTransform and ours, in alternation.

    python benchmarks/views.py --json views.json
    python benchmarks/views.py --against ../hw1cli-before     # another checkout's views, too

Lightly gives normalised float tensors. Ours stay uint8, since a run stacks them and normalises the batch on the device;
"with floats" adds the conversion and normalisation of each view, which a run does not do. Both use one thread, as in
a loader's worker. The ratio is the median over the rounds, each of which measures all of them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2
import numpy as np
import torch
from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
from PIL import Image

HERE = Path(__file__).resolve().parents[1]
MEAN, STD = (torch.tensor(values).view(3, 1, 1) * 255 for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 128, 224], help="of images and views, in pixels")
    parser.add_argument("--pairs", type=int, default=100, help="in one measurement")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--against", type=Path, help="another checkout of hw1cli to compare with")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    rows = []
    print(f"{'size':>4}  {'views by':20}  ms a pair  times as fast as Lightly")
    for size in arguments.sizes:
        images = photographs(size)
        ways: dict[str, Callable[[int], object]] = {"Lightly": lightly(images, size)}
        ways["hw1cli"] = ours(HERE, images, size)
        ways["hw1cli, with floats"] = normalised(ways["hw1cli"])
        if arguments.against:
            ways["hw1cli before"] = ours(arguments.against, images, size)
        rounds = [{name: seconds(way, arguments.pairs) for name, way in ways.items()} for _ in range(arguments.rounds)]
        for name in ways:
            row = {
                "size": size,
                "views_by": name,
                "ms_a_pair": 1e3 * statistics.median(times[name] for times in rounds),
                "ratio": statistics.median(times["Lightly"] / times[name] for times in rounds),
            }
            rows.append(row)
            print(f"{size:4}  {name:20}  {row['ms_a_pair']:9.3f}  {row['ratio']:24.1f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def photographs(size: int) -> list[np.ndarray]:
    """Sixteen generated images (size, size, 3) with coarse and fine structure."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (16, 8, 8, 3)).astype(np.float32)
    smooth = [cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse]
    return [np.clip(image + generator.normal(0, 8, image.shape), 0, 255).astype(np.uint8) for image in smooth]


def lightly(images: list[np.ndarray], size: int) -> Callable[[int], object]:
    pictures = [Image.fromarray(image) for image in images]
    transform = BYOLTransform(BYOLView1Transform(input_size=size), BYOLView2Transform(input_size=size))
    return lambda number: transform(pictures[number % len(pictures)])


def ours(root: Path, images: list[np.ndarray], size: int) -> Callable[[int], list[np.ndarray]]:
    """Two views as the loader makes them: seeded for every image."""
    specs = view_specs(root)
    views = [albumentations.Compose([spec(size=size)]) for spec in (specs.byol_view_1, specs.byol_view_2)]

    def pair(number: int) -> list[np.ndarray]:
        made = []
        for which, view in enumerate(views):
            view.set_random_seed(2 * number + which)
            made.append(view(image=images[number % len(images)])["image"])
        return made

    return pair


def normalised(pair: Callable[[int], Any]) -> Callable[[int], object]:
    return lambda number: [(torch.from_numpy(view).permute(2, 0, 1).contiguous() - MEAN) / STD for view in pair(number)]


def view_specs(root: Path) -> Any:
    """``plugins/lightly_ssl/view_specs.py`` of a checkout, under a name of its own."""
    folder = root / "plugins" / "lightly_ssl"
    name = f"lightly_ssl_at_{abs(hash(root))}"
    package = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert package is not None
    sys.modules[name] = importlib.util.module_from_spec(package)
    return importlib.import_module(f"{name}.view_specs")


def seconds(way: Callable[[int], object], pairs: int) -> float:
    """Mean time of a pair."""
    start = time.perf_counter()
    for number in range(pairs):
        way(number)
    return (time.perf_counter() - start) / pairs


if __name__ == "__main__":
    main()
