"""The computation of semantic segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from registry.engine import overlay

from .supervised import Supervised


class Segmentation(Supervised):
    """A class for every pixel; see the spec ``segmentation``."""

    target = "mask"

    def __init__(
        self, model: nn.Module, loss: nn.Module, metrics: Sequence[Any], class_colors: Any, ignore_index: int | None
    ) -> None:
        super().__init__(model, loss, metrics, ignore_index)
        self.class_colors = class_colors

    def pictures(self, run: Any, number: int) -> list[np.ndarray]:
        """Image, truth and prediction of the first evaluation images, side by side."""
        if self.class_colors is None or run.val is None:
            return []
        samples = [run.evaluation_sample(index) for index in range(min(number, len(run.val)))]
        shown = []
        for sample, logits in zip(samples, run.predict(samples), strict=True):
            image = sample["image"]
            masks = (np.asarray(sample["mask"]), logits.max(0).indices.numpy())
            shown.append(np.hstack([image, *(overlay(image, mask, self.class_colors) for mask in masks)]))
        return shown
