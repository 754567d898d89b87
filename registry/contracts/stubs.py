"""Small components that keep their contracts: what a plugin's component is tried together with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .runner import Inconclusive


def make(kind: str) -> Any:
    """A component of the kind, built.

    Raises:
        Inconclusive: there is none.
    """
    if kind == "backbones":
        return TinyBackbone()
    if kind == "models":
        return TinyClassifier()
    if kind == "losses":
        return nn.CrossEntropyLoss(ignore_index=255)
    if kind == "metrics":
        return HitRate()
    if kind == "augmentations":
        import albumentations

        return albumentations.HorizontalFlip()
    raise Inconclusive(f"nothing stands in for {kind}")


class TinyBackbone(nn.Module):
    """Five maps, at strides 2 to 32."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.channels, self.strides = (8, 8, 16, 16, 32), (2, 4, 8, 16, 32)
        before = (in_channels, *self.channels)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU())
            for i, o in zip(before, self.channels, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> maps, finest first."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class TinyClassifier(nn.Module):
    """(B, 3, H, W) -> (B, 3 classes)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = TinyBackbone(), nn.Linear(32, 3)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 32)."""
        pooled: Tensor = self.backbone(x)[-1].mean((2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3)."""
        logits: Tensor = self.head(self.features(x))
        return logits


class HitRate:
    """Share of right guesses."""

    headline = "hit_rate"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self.right, self.all = 0, 0

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch."""
        self.right += int((logits.argmax(1) == target).sum())
        self.all += target.numel()

    def compute(self) -> dict[str, float]:
        """The share."""
        return {"hit_rate": self.right / max(self.all, 1)}


def image_of(height: int, width: int, number: int = 0) -> Any:
    """A picture (H, W, 3) uint8 with edges and noise, the same for a number always."""
    generator = torch.Generator().manual_seed(number)
    noise = torch.randint(0, 60, (height, width, 3), generator=generator, dtype=torch.uint8)
    noise[height // 4 : height // 2, width // 3 :] += 150
    return noise.numpy()
