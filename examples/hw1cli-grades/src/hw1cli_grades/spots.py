"""Synthetic graded images, for demonstrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

#: The most spots of each grade.
_MOST: Final = (0, 2, 5, 8, 12)


class Spots:
    """Writes ``spots.npz`` in MedMNIST's form; see the spec ``spots``."""

    def __init__(self, train: int, val: int, size: int, seed: int) -> None:
        self.numbers, self.size, self.seed = {"train": train, "val": val}, size, seed

    def make(self, folder: Path) -> dict[str, Any]:
        """Generate both splits; the same for the same seed."""
        random = np.random.default_rng(self.seed)
        arrays: dict[str, Any] = {}
        for name, number in self.numbers.items():
            grades = random.integers(0, len(_MOST), number)
            arrays[f"{name}_images"] = np.stack([self._image(int(grade), random) for grade in grades])
            arrays[f"{name}_labels"] = grades.astype(np.uint8)[:, None]
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "spots.npz", **arrays)
        return {**self.numbers, "size": self.size, "seed": self.seed, "origin": "synthetic"}

    def _image(self, grade: int, random: np.random.Generator) -> np.ndarray:
        """(size, size, 3) uint8."""
        least = _MOST[grade - 1] + 1 if grade else 0
        rows, columns = np.mgrid[: self.size, : self.size] / (self.size - 1) * 2 - 1
        light = np.zeros((self.size, self.size))
        for _ in range(random.integers(least, _MOST[grade] + 1)):
            angle, away = random.uniform(0, 2 * np.pi), 0.8 * np.sqrt(random.uniform())
            distance = (rows - away * np.sin(angle)) ** 2 + (columns - away * np.cos(angle)) ** 2
            light = np.maximum(light, np.exp(-distance / random.uniform(0.004, 0.01)))
        background = random.uniform((90, 40, 20), (150, 80, 50))
        image = background + light[..., None] * ((255, 230, 150) - background)
        image += random.normal(0, 6, image.shape)
        image[rows**2 + columns**2 > 1] = 0
        return np.clip(image, 0, 255).astype(np.uint8)
