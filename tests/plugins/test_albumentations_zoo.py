"""Transforms of ours that stand for albumentations' own."""

from __future__ import annotations

from typing import Any

import albumentations
import numpy as np
import pytest

from plugins.albumentations_zoo import turns
from plugins.albumentations_zoo.transforms import make

IMAGES: dict[str, Any] = {
    "rgb": np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8),
    "one channel": np.random.default_rng(1).integers(0, 256, (20, 31, 1), np.uint8),
    "eight channels": np.random.default_rng(2).random((20, 31, 8), np.float32),
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", ["RandomRotate90", "Transpose", "D4"])
def test_turns_equal_albumentations_own(name: str, kind: str) -> None:
    sample = {"image": IMAGES[kind], "mask": np.arange(20 * 31, dtype=np.int32).reshape(20, 31)}
    ours, theirs = (
        albumentations.Compose([transform])
        for transform in (make(name, {"p": 0.9}), getattr(albumentations, name)(0.9))
    )
    assert type(ours.transforms[0]) is getattr(turns, name)
    seen = set()
    for seed in range(60):
        for compose in (ours, theirs):
            compose.set_random_seed(seed)
        found, expected = ours(**sample), theirs(**sample)
        assert np.array_equal(found["image"], expected["image"]) and np.array_equal(found["mask"], expected["mask"])
        assert found["image"].shape == expected["image"].shape
        assert found["image"].flags.c_contiguous and found["mask"].flags.c_contiguous
        seen.add(found["mask"].tobytes())
    assert len(seen) == {"RandomRotate90": 4, "Transpose": 2, "D4": 8}[name]
