"""Probabilities of images, averaged over flips and scales."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import Hw1Error, InputError
from ..data.preprocess import collate
from ..train.saved_run import SavedRun
from .tiles import MULTIPLE

#: Tensor axes by the letter of a flip: h mirrors left and right, v top and bottom.
FLIPS: Final = {"h": -1, "v": -2}


class Views(NamedTuple):
    """A model that predicts flipped and scaled copies of its images.

    Attributes:
        saved: the run whose model predicts.
        flips: of ``h`` and ``v``; with both there are four views.
        scales: factors of the image's size; 1 is the image itself.
    """

    saved: SavedRun
    flips: Sequence[str] = ()
    scales: Sequence[float] = (1.0,)

    def __call__(self, images: list[np.ndarray]) -> Tensor:
        """The mean of the views' probabilities, float32 on the device: (B, classes) or (B, classes, H, W).

        Args:
            images: of one size, uint8 (H, W, 3).

        Raises:
            Hw1Error: the model fails on such images.
        """
        batch: dict[str, Any] = collate([{"index": 0, "name": "", "image": image} for image in images])
        try:
            with torch.inference_mode(), self.saved.runtime.autocast():
                return self._mean(self.saved.preprocess(batch)["image"])
        except torch.OutOfMemoryError as error:
            hint = "try a smaller --batch-size or --tile"
            raise Hw1Error(f"the device has too little memory for {_text(images)}", hint) from error
        except (RuntimeError, AssertionError, ValueError) as error:
            hint = "a network of a fixed input size needs a resize to it in augment.eval, or --tile with that size"
            raise Hw1Error(f"the model fails on {_text(images)}: {type(error).__name__}: {error}", hint) from error

    def _mean(self, images: Tensor) -> Tensor:
        total: Tensor | None = None
        turns = [turn for number in range(len(self.flips) + 1) for turn in combinations(self.flips, number)]
        scaled = images
        for scale, turn in product(self.scales, turns):
            axes = [FLIPS[letter] for letter in turn]
            scaled = scaled if turn else self._scaled(images, scale)  # the first turn of a scale is none
            logits = self.saved.task.model(scaled.flip(axes) if axes else scaled)
            if logits.dim() not in (2, 4):
                message = f"gives {tuple(logits.shape)}, expected (B, classes) or (B, classes, H, W)"
                raise InputError.of("model", message)
            logits = logits.flip(axes) if axes and logits.dim() == 4 else logits
            seen = probabilities_of(logits, images.shape[-2:], several=self.saved.task.threshold is not None)
            total = seen if total is None else total.add_(seen)
        assert total is not None
        return total.div_(len(turns) * len(self.scales)) if len(turns) * len(self.scales) > 1 else total

    def _scaled(self, images: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return images
        size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in images.shape[-2:]]
        if max(images.shape[-2:]) < 4 * MULTIPLE:  # small images: the scale matters more than the multiple
            size = [max(1, round(side * scale)) for side in images.shape[-2:]]
        scaled = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        return scaled.contiguous(memory_format=self.saved.runtime.layout)


def probabilities_of(logits: Tensor, size: Sequence[int], *, several: bool = False) -> Tensor:
    """Probabilities, float32, of logits (B, classes) or (B, classes, h, w); the latter at the size (H, W).

    Args:
        several: whether an image may have several classes; each then has a probability of its own.
    """
    seen = logits.float().sigmoid() if several else logits.float().softmax(1)
    if seen.dim() == 4 and seen.shape[-2:] != torch.Size(size):
        seen = F.interpolate(seen, size=tuple(size), mode="bilinear")
    return seen


def _text(images: list[np.ndarray]) -> str:
    height, width = images[0].shape[:2]
    return f"{len(images)} image{'s' * (len(images) > 1)} of {width}x{height}"
