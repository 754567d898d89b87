"""What stands between a loader's batch and a network: transfer to the device, normalisation, memory format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Preprocessor:
    """A collated uint8 batch -> the batch that a network gets: float images, normalised, on the device.

    Attributes:
        mean, std: per channel, of images in 0..1.
        device: where batches go.
        layout: torch memory format of the images.
    """

    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    layout: Any = torch.contiguous_format

    @cached_property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (1, C, 1, 1) on the device."""
        mean, std = (torch.tensor(v, device=self.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        return mean, std

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch with ``image`` and each of ``views`` as (B, C, H, W) float32, ``mask`` and ``label`` as int64."""
        moved = {k: v.to(self.device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
        mean, std = self._statistics

        def normalized(images: Tensor) -> Tensor:
            images = images.to(self.device, non_blocking=True).to(torch.float32)
            return images.div_(255).sub_(mean).div_(std).contiguous(memory_format=self.layout)

        if "image" in moved:
            moved["image"] = normalized(moved["image"])
        if "views" in moved:
            moved["views"] = [normalized(view) for view in moved["views"]]
        for target in ("mask", "label"):
            if target in moved:
                moved[target] = moved[target].long()
        return moved
