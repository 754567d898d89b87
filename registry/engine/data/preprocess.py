"""Samples to a batch, and a batch to what a network gets: transfer to the device, normalisation, memory format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples: images and views as uint8 (B, C, H, W), masks as uint8 (B, H, W), labels as int64 (B,).

    Labels that are tuples of flags, one for each class, are stacked as (B, classes).

    A sample that could not be read, and samples that differ in size, make a batch ``{"error": ...}``.
    """
    for sample in samples:
        if "error" in sample:
            return sample
    names = [sample["name"] for sample in samples]
    batch: dict[str, Any] = {"name": names, "index": torch.tensor([sample["index"] for sample in samples])}
    if replaced := [position for position, sample in enumerate(samples) if "skipped" in sample]:
        batch["replaced"] = replaced
        batch["skipped"] = [entry for position in replaced for entry in samples[position]["skipped"]]
    try:
        if "image" in samples[0]:
            batch["image"] = _stacked([sample["image"] for sample in samples], names)
        if "feature" in samples[0]:
            batch["feature"] = torch.stack([sample["feature"] for sample in samples])
        if "views" in samples[0]:
            batch["views"] = [_stacked(list(view), names) for view in zip(*(s["views"] for s in samples), strict=True)]
    except InputError as error:
        return {"error": error}
    if "mask" in samples[0]:
        batch["mask"] = torch.from_numpy(np.stack([np.asarray(sample["mask"], np.uint8) for sample in samples]))
    labelled = sum("label" in sample for sample in samples)
    if 0 < labelled < len(samples):
        lone = next(sample["name"] for sample in samples if "label" not in sample)
        message = f"some samples have a label and others, such as {lone}, have none"
        return {"error": InputError.of("data", message, "take those without a label out of this split")}
    if labelled:
        batch["label"] = torch.tensor([sample["label"] for sample in samples])
    return batch


def _stacked(images: Sequence[np.ndarray], names: Sequence[str]) -> Tensor:
    first = images[0].shape
    for image, name in zip(images, names, strict=True):
        if image.shape != first:
            if image.shape[2] != first[2] or image.dtype != images[0].dtype:
                seen = f"{names[0]} {first[2]} of {images[0].dtype}, {name} {image.shape[2]} of {image.dtype}"
                raise InputError.of("data", f"images of one batch differ in their bands: {seen}", "choose data.bands")
            seen = f"{names[0]} {first[1]}x{first[0]} and {name} {image.shape[1]}x{image.shape[0]}"
            height, width = (max(32, side // 32 * 32) for side in first[:2])
            resize = f"[{{use: albumentations/Resize, height: {height}, width: {width}}}]"
            hint = f"write in the recipe: augment: {{train: {resize}, eval: {resize}}}, or add a crop to both"
            raise InputError.of("augment", f"images of one batch differ in size: {seen}", hint)
    # Channels stay innermost in memory: (B, C, H, W) is a view, which is the channels_last layout already.
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def checked(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch itself, or the sample's, unless it holds an error.

    Raises:
        InputError: a file could not be read, or the images of the batch differ in size.
    """
    if "error" in batch:
        raise batch["error"]
    return batch


@dataclass(frozen=True)
class Preprocessor:
    """A collated batch of integers -> the batch that a network gets: float images, normalised, on the device.

    Attributes:
        mean, std: per channel, of images in 0..1.
        device: where batches go.
        layout: torch memory format of the images.
        most: the value that becomes 1: 255, or 65535 of images of 16 bits.
    """

    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    layout: Any = torch.contiguous_format
    most: int = 255

    @classmethod
    def of(
        cls,
        facts: Mapping[str, Any],
        statistics: tuple[Sequence[float], Sequence[float]],
        device: torch.device,
        layout: Any = torch.contiguous_format,
    ) -> Preprocessor:
        """With the statistics of the data where ``data.mean`` and ``data.std`` give them, else of the network.

        Raises:
            InputError: neither fits the images.
        """
        most, channels = facts.get("max_value", 255), facts.get("in_channels", 3)
        if facts.get("mean") and facts.get("std"):
            mean, std = ([value / most for value in facts[name]] for name in ("mean", "std"))
            return cls(mean, std, device, layout, most)
        if most != 255:
            message = "data.mean and data.std are needed: images of 16 bits have no usual brightness"
            raise InputError.of("data", message, "hw1cli data inspect ROOT prints both")
        if "bands" in facts and len(statistics[0]) != channels:
            message = f"takes images of {len(statistics[0])} channels, and the data have {channels} bands"
            raise InputError.of("model", message, "choose bands with data.bands, or a network that takes in_channels")
        return cls(*statistics, device, layout, most)

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
            return images.div_(self.most).sub_(mean).div_(std).contiguous(memory_format=self.layout)

        if "image" in moved:
            moved["image"] = normalized(moved["image"])
        if "views" in moved:
            moved["views"] = [normalized(view) for view in moved["views"]]
        for target in ("mask", "label"):
            if target in moved:
                moved[target] = moved[target].long()
        return moved
