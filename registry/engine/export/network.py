"""The network that is exported: uint8 images of any size in, probabilities and labels or masks of that size out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ..predict.predictor import Predictor
from ..predict.tiles import MULTIPLE
from ..predict.views import probabilities_of
from ..train.saved_run import SavedRun

#: The integer that a weight of 1 is in OpenCV's bilinear resizing.
_UNIT: Final = 2048


class Deployed(nn.Module):
    """A run's model with all around it: resizing, padding, normalisation, softmax and argmax, or sigmoid and threshold.

    Args:
        saved: the run, on the CPU.
        predictor: of the run.
    """

    def __init__(self, saved: SavedRun, predictor: Predictor) -> None:
        super().__init__()
        self.model, self.dtype = saved.task.model, torch.float32
        self.preprocess = replace(saved.preprocess, layout=torch.contiguous_format)
        # Its constants are made now: made while torch.export traces, they would be the tracer's.
        self.preprocess({"image": torch.zeros(1, 3, 1, 1)})
        self.resize = resizing_of(predictor.transform)
        self.dense, self.threshold = predictor.dense, saved.task.threshold
        # Resizing gives a size that the network has seen, which needs no padding.
        self.pads = self.dense and self.resize is None

    def halve(self) -> None:
        """Compute the model in half precision from now on."""
        self.model, self.dtype = self.model.half(), torch.float16

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Args:
            images: (B, H, W, C) uint8, RGB.

        Returns:
            Probabilities (B, classes) and labels (B,) int64, or flags (B, classes) where an image may have several
            classes; or probabilities (B, classes, H, W) and masks (B, H, W) uint8. All probabilities are float32.
        """
        height, width = images.shape[1:3]
        pixels = images if self.resize is None else self.resize(images)
        if self.pads:
            pixels = _padded(_padded(pixels, 1), 2)
        batch = self.preprocess({"image": pixels.permute(0, 3, 1, 2)})["image"]
        several = self.threshold is not None
        seen = probabilities_of(self.model(batch.to(self.dtype)), batch.shape[-2:], several=several)
        if not self.dense:
            return seen, seen.argmax(1) if self.threshold is None else seen >= self.threshold
        if self.resize is not None:
            seen = F.interpolate(seen, size=(height, width), mode="bilinear")
        elif self.pads:
            # Not by slices: torch.export cannot prove that they are within the padded size.
            seen = seen.index_select(2, torch.arange(height)).index_select(3, torch.arange(width))
        return seen, seen.argmax(1).to(torch.uint8)


def _padded(images: Tensor, axis: int) -> Tensor:
    """Images with one side padded by their mirror image to a multiple of 32."""
    size = images.shape[axis]
    rows = torch.arange((size + MULTIPLE - 1) // MULTIPLE * MULTIPLE, device=images.device)
    period = torch.scalar_tensor(2 * (size - 1), dtype=torch.int64)
    rows = rows % period  # an image smaller than its padding is mirrored again
    return images.index_select(axis, torch.minimum(rows, period - rows))


class Resizing(nn.Module):
    """OpenCV's bilinear resizing of uint8 images, to the bit: what albumentations does while a network learns.

    Args:
        size: (h, w) of the result.
        short: what the shorter side becomes before the centre of ``size`` is cut out; None resizes to ``size``.
        crops: cut the centre out of the image as it is.
    """

    def __init__(self, size: tuple[int, int], *, short: int | None = None, crops: bool = False) -> None:
        super().__init__()
        self.size, self.short, self.crops = size, short, crops

    def forward(self, images: Tensor) -> Tensor:
        """(B, H, W, C) uint8 -> (B, h, w, C) uint8."""
        own = [torch.scalar_tensor(side, dtype=torch.float64) for side in images.shape[1:3]]
        if self.short is not None:
            scale = self.short / torch.minimum(*own)
            target = [(side * scale).round() for side in own]
        else:
            target = own if self.crops else [torch.scalar_tensor(side, dtype=torch.float64) for side in self.size]
        left, right, far, near = _axis(own[1], target[1], self.size[1], held=True)
        pixels = images.to(torch.int32)
        lines = pixels.index_select(2, left) * far[:, None] + pixels.index_select(2, right) * near[:, None]
        lines = lines // 16
        above, below, far, near = _axis(own[0], target[0], self.size[0], held=False)
        over = lines.index_select(1, above) * far[:, None, None] // 65536
        under = lines.index_select(1, below) * near[:, None, None] // 65536
        return ((over + under + 2) // 4).to(torch.uint8)


def _axis(own: Tensor, target: Tensor, length: int, *, held: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each of ``length`` pixels in the middle of the target: its two neighbours in the image, and their weights.

    Args:
        own, target: sizes of the image and of what it is resized to, float64.
        length: pixels of the result.
        held: whether beyond the image's edges the weight is that of the edge alone; OpenCV does so along rows only.
    """
    first = ((target - length) / 2).floor()
    place = ((torch.arange(length, dtype=torch.float64) + first + 0.5) * (own / target) - 0.5).to(torch.float32)
    before = place.floor()
    share = place - before
    if held:
        share = torch.where((before < 0) | (before >= own - 1), 0.0, share)
    weights = [(part * _UNIT).round().to(torch.int32) for part in (1 - share, share)]
    most = (own - 1).to(torch.int64)
    places = [torch.minimum(before.to(torch.int64) + step, most).clamp_min(0) for step in (0, 1)]
    return places[0], places[1], weights[0], weights[1]


def resizing_of(transform: Any | None) -> Resizing | None:
    """The resizing of evaluation augmentations, as a module; None without any.

    Raises:
        InputError: they do something else.
    """
    if transform is None:
        return None
    import albumentations as A
    import cv2

    steps = list(transform.transforms)
    known = all(
        getattr(step, "interpolation", cv2.INTER_LINEAR) == cv2.INTER_LINEAR
        and getattr(step, "area_for_downscale", None) is None
        and step.p == 1
        for step in steps
    )
    match steps if known else None:
        case [A.Resize(height=height, width=width)]:
            return Resizing((height, width))
        case [A.CenterCrop(height=height, width=width)]:
            return Resizing((height, width), crops=True)
        case [A.SmallestMaxSize(max_size=int(short)), A.CenterCrop(height=height, width=width)]:
            return Resizing((height, width), short=short)
    names = ", ".join(type(step).__name__ for step in steps)
    message = f"an exported file cannot hold these evaluation augmentations: {names}"
    hint = "expected Resize, CenterCrop, or SmallestMaxSize and CenterCrop, bilinear; 'hw1cli predict' takes any"
    raise InputError.of("augment.eval", message, hint)
