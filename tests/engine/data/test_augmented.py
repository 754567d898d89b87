"""Augmentations of one sample are independent of each other, and functions of the seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import albumentations
import numpy as np

from registry.engine.data.augmented import Augmented


class OneImage:
    names = ("only",)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> dict[str, Any]:
        return {"image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3), "name": "only"}


def test_two_flips_are_drawn_apart() -> None:
    flips = albumentations.Compose([albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)])
    data = Augmented(OneImage(), flips, seed=0)
    images = [data[epoch, 0]["image"] for epoch in range(400)]
    counts = Counter(image.tobytes() for image in images)
    # Neither, one, the other, both.
    assert len(counts) == 4 and all(60 < count < 140 for count in counts.values())
    assert all(np.array_equal(data[epoch, 0]["image"], image) for epoch, image in enumerate(images))
