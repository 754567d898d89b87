"""The accuracy of timm's weights on ImageNet, from a table that was measured by timm's author."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Accuracy(NamedTuple):
    """Accuracy on the 50,000 validation images of ImageNet-1k, in per cent.

    Args:
        image_size: side of the square image that the model saw, in pixels.
        top1: share of images whose class the model ranks first.
        top5: share of images whose class is among its first five.
    """

    image_size: int
    top1: float
    top5: float


def accuracies_of(name: str) -> list[Accuracy]:
    """What was measured of the weights ``architecture.tag``, the best first; nothing for weights not in the table.

    The table is ``imagenet_top1.csv`` beside this file: rows of results/results-imagenet.csv in timm's repository,
    at the commit that the file names.
    """
    return sorted(_table().get(name, ()), key=lambda each: -each.top1)


@lru_cache(maxsize=1)
def _table() -> dict[str, list[Accuracy]]:
    text = (Path(__file__).parent / "imagenet_top1.csv").read_text(encoding="utf-8")
    found: dict[str, list[Accuracy]] = {}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        measured = Accuracy(int(row["image_size"]), float(row["top1"]), float(row["top5"]))
        found.setdefault(row["name"], []).append(measured)
    return found
