"""The computation of semantic segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from registry.engine import displayed, overlay

from .supervised import Supervised

#: Height of a legend's letters in pixels.
_LETTERS = 11


class Segmentation(Supervised):
    """A class for every pixel; see the spec ``segmentation``."""

    target = "mask"

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        metrics: Sequence[Any],
        class_colors: Any,
        class_names: Sequence[str] = (),
    ) -> None:
        super().__init__(model, loss, metrics)
        self.class_colors, self.class_names = class_colors, list(class_names)

    def pictures(self, run: Any, number: int) -> list[np.ndarray]:
        """Image, truth and prediction of the first evaluation images, side by side over a legend."""
        if self.class_colors is None or run.val is None:
            return []
        samples = [run.evaluation_sample(index) for index in range(min(number, len(run.val)))]
        shown = []
        for sample, logits in zip(samples, run.predict(samples), strict=True):
            image = displayed(sample["image"])
            masks = (np.asarray(sample["mask"]), logits.max(0).indices.numpy())
            picture = np.hstack([image, *(overlay(image, mask, self.class_colors) for mask in masks)])
            held = sorted(set(np.unique(masks).tolist()) & set(range(len(self.class_names))))
            entries = [(self.class_colors[label], self.class_names[label]) for label in held]
            shown.append(np.vstack([picture, legend(picture.shape[1], entries)]))
        return shown


def legend(width: int, entries: Sequence[tuple[Any, str]]) -> np.ndarray:
    """Names beside their colours in lines of at most this many pixels, uint8 (H, width, 3)."""
    lines: list[list[tuple[int, Any, str]]] = [[]]
    at, font = 4, ImageFont.load_default(_LETTERS)
    for color, name in entries:
        needs = int(font.getlength(name)) + 2 * _LETTERS + 8
        if at + needs > width and lines[-1]:
            lines, at = [*lines, []], 4
        lines[-1].append((at, color, name))
        at += needs
    strip = Image.new("RGB", (width, (_LETTERS + 6) * len(lines)), "white")
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        top = row * (_LETTERS + 6) + 3
        for left, color, name in line:
            draw.rectangle((left, top, left + _LETTERS, top + _LETTERS), tuple(map(int, color)), "black")
            draw.text((left + _LETTERS + 4, top - 1), name, "black", font)
    return np.asarray(strip)
