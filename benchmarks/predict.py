"""``predict`` of 512x512 images beside the forward pass of its network at that size, in alternation.

    python benchmarks/predict.py --json predict.json

A DeepLabV3 is trained for one short epoch on generated scenes; then a folder of scenes is predicted as the command does
it, reading, writing and colouring included, and the same network computes batches of the same number of images that
are in memory, in the same precision and memory format. The ratio is the median over the rounds; 1.00 would be a command
that costs nothing beside its network.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from plugins.hw1.landcover_scenes import LandCoverScenes
from registry.catalog.registry import Registry
from registry.engine.predict import Settings, predict
from registry.engine.predict.predict import _CPU_PIXELS
from registry.engine.train.saved_run import SavedRun, open_run
from registry.engine.train.session import execute
from registry.recipe.request import Request, planned

RECIPE = """
trainer: {{use: segmentation, epochs: 1, batch_size: 2}}
data: {{use: landcover, root: {data}}}
model:
  {{use: smp/deeplabv3, encoder_output_stride: 16, decoder_channels: 128,
    backbone: {{use: {backbone}, pretrained: false}}}}
loss: focal
runtime: {{workers: 0, cache: off}}
trackers: []
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["timm/resnet10t", "timm/resnet18"])
    parser.add_argument("--size", type=int, default=512, help="of the images, in pixels")
    parser.add_argument("--images", type=int, default=12, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    rows = []
    print(f"{'backbone':16} {'network':>8} {'predict':>8} {'ratio':>6}   seconds an image", flush=True)
    with tempfile.TemporaryDirectory() as name, open(os.devnull, "w") as nowhere:
        folder, console = Path(name), Console(file=nowhere)
        LandCoverScenes(2, 2, arguments.size, 0).make(folder / "data")
        LandCoverScenes(arguments.images, 1, arguments.size, 1).make(folder / "inputs")
        inputs = [str(path) for path in sorted((folder / "inputs" / "train").glob("*_sat.jpg"))]
        for backbone in arguments.backbones:
            (folder / "recipe.yaml").write_text(RECIPE.format(data=folder / "data", backbone=backbone))
            out = folder / backbone.replace("/", "_")
            execute(planned(Request(folder / "recipe.yaml"), Registry()), console, out=out)
            saved = open_run(out)
            rounds = []
            for number in range(arguments.rounds + 1):
                settings = Settings(inputs=inputs, out=folder / "masks")
                start = time.perf_counter()
                predict(saved, settings, console)
                whole = time.perf_counter() - start
                if number:  # the first one warms up
                    rounds.append((network(saved, arguments.size, len(inputs)), whole / len(inputs)))
            row: dict[str, Any] = {
                "backbone": backbone,
                "runtime": str(saved.runtime),
                "network": statistics.median(one for one, _ in rounds),
                "predict": statistics.median(one for _, one in rounds),
                "ratio": statistics.median(whole / alone for alone, whole in rounds),
            }
            rows.append(row)
            print(f"{backbone:16} {row['network']:8.3f} {row['predict']:8.3f} {row['ratio']:6.2f}   {row['runtime']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def network(saved: SavedRun, size: int, number: int) -> float:
    """Seconds an image of the forward pass alone, in the batches that ``predict`` makes on a CPU."""
    batch = max(1, min(saved.plan.loop.batch_size, _CPU_PIXELS // size**2))
    images = torch.rand(batch, 3, size, size).contiguous(memory_format=saved.runtime.layout)
    with torch.inference_mode(), saved.runtime.autocast():
        saved.task.model(images)
        start = time.perf_counter()
        for _ in range(number // batch):
            saved.task.model(images)
    return (time.perf_counter() - start) / (number // batch * batch)


if __name__ == "__main__":
    main()
