"""Handwritten digits that every installation has at hand: real images for demonstrations, without a download.

The 1,797 scans of 8 x 8 pixels are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI Machine Learning Repository, licence CC BY 4.0), written by 13 people of whom the training part
has none. scikit-learn carries them: ``sklearn.datasets.load_digits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from registry import InputError

#: The brightest value of a scan.
_BRIGHTEST: Final = 16
#: The evaluation split's share of each class.
_HELD_OUT: Final = 0.2
#: Between the colours of a coloured digit and its ground, at least, in RGB values.
_CONTRAST: Final = 120


class Digits:
    """Writes the digits as ``train_50/CLASS_ID.png`` and ``val_50/CLASS_ID.png``: always the same bytes.

    An id is a scan's number in scikit-learn's set. The same person writes in both splits, so that scores say less about
    unknown hands than those of the set's own split.

    Args:
        size: width and height in pixels; the scans are enlarged bicubically.
        seed: of the split, which has a fifth of each class for evaluation; 0 or more.
        digits: those to write; all ten when None.
        colored: each digit in a random colour on another one. The mean colour then says little about the
            class, so that features have to be learned, even without labels.
    """

    def __init__(
        self, size: int = 32, seed: int = 0, digits: Sequence[int] | None = None, *, colored: bool = False
    ) -> None:
        self.size, self.seed, self.colored = size, seed, colored
        self.digits = sorted(set(digits)) if digits else list(range(10))

    def make(self, folder: Path) -> dict[str, Any]:
        """Write both splits into ``folder``; returns counts, size, seed and origin.

        Raises:
            InputError: a split's folder is not empty.
        """
        scans = load_digits()
        grey = np.round(scans.images * (255 / _BRIGHTEST)).astype(np.uint8)
        numbers = np.arange(len(grey))
        train, val = train_test_split(numbers, test_size=_HELD_OUT, stratify=scans.target, random_state=self.seed)
        splits = {"train": train, "val": val}
        for split, chosen in splits.items():
            place = Path(folder) / f"{split}_50"
            if place.is_dir() and any(place.iterdir()):
                raise InputError.of(str(place), "is not empty", "use a new folder")
            place.mkdir(parents=True, exist_ok=True)
            for number in sorted(number for number in chosen if scans.target[number] in self.digits):
                image = Image.fromarray(grey[number]).resize((self.size, self.size), Image.Resampling.BICUBIC)
                image = _colored(image, number) if self.colored else image.convert("RGB")
                image.save(place / f"{scans.target[number]}_{number:04d}.png")
        return {
            **{
                split: sum(scans.target[number] in self.digits for number in chosen) for split, chosen in splits.items()
            },
            "size": self.size,
            "seed": self.seed,
            "origin": "handwritten digits of Alpaydin and Kaynak (1998), from scikit-learn",
        }


def _colored(image: Image.Image, number: int) -> Image.Image:
    """A grey picture from one random colour to another; the same for a number always."""
    random = np.random.default_rng(number)
    ground = digit = random.uniform(0, 255, 3)
    while np.linalg.norm(digit - ground) < _CONTRAST:
        digit = random.uniform(0, 255, 3)
    share = np.asarray(image, np.float64)[..., None] / 255
    return Image.fromarray(np.round(ground + (digit - ground) * share).astype(np.uint8))
