"""Small components that keep their contracts: what a component under test is combined with."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from ..catalog.kinds import FromData, Loss, Model
from ..engine.train.task import Batch, Task
from .violations import Inconclusive


def make(kind: str) -> Any:
    """A stand-in of the kind, built.

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
    raise Inconclusive(f"there is no stand-in for {kind}")


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
    """(B, 3, H, W) -> (B, classes)."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.backbone, self.head = TinyBackbone(), nn.Linear(32, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 32)."""
        pooled: Tensor = self.backbone(x)[-1].mean((2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


class TinySegmenter(TinyClassifier):
    """(B, 3, H, W) -> (B, classes, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes, H, W)."""
        logits = self.head(self.backbone(x)[-1].movedim(1, -1)).movedim(-1, 1)
        return nn.functional.interpolate(logits, size=x.shape[-2:], mode="bilinear")


class TinyTask(Task):
    """Learning from a label for each image, or for each pixel where there are masks."""

    monitor, higher_is_better = "hit_rate", True

    def __init__(self, model: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.model, self.criterion, self.hits = model, loss, HitRate()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch."""
        return {"loss": self.criterion(self.model(batch["image"]).float(), _target(batch))}

    def begin_evaluation(self) -> None:
        self.hits.reset()

    def evaluate(self, batch: Batch) -> None:
        self.hits.update(self.model(batch["image"]).float(), _target(batch))

    def scores(self) -> dict[str, float]:
        return {"hit_rate": float(self.hits.compute())}


def _target(batch: Batch) -> Tensor:
    target: Tensor = batch["mask"] if "mask" in batch else batch["label"]
    return target


class TinySplit(list[dict[str, Any]]):
    """Eight images of 32 x 32 and their names."""

    def __init__(self, masks: bool) -> None:
        for number in range(8):
            image = image_of(32, 32, number)
            image[: 8 + number] //= 1 + number % 2
            target = {"mask": (image[..., 0] > 100).astype("uint8")} if masks else {"label": number % 2}
            self.append({"image": image, "name": str(number), **target})
        self.names = [sample["name"] for sample in self]


class TinyData:
    """Two classes, of images or of pixels."""

    def __init__(self, masks: bool) -> None:
        self.masks = masks
        self.facts: dict[str, Any] = {"num_classes": 2, "class_names": ["dark", "light"], "ignore_index": None}
        if masks:
            self.facts["class_colors"] = [(0, 0, 0), (255, 255, 255)]

    def split(self, name: str) -> TinySplit | None:
        """Training and validation images."""
        return TinySplit(self.masks) if name in ("train", "val") else None


class HitRate(Metric):
    """Share of correct guesses."""

    higher_is_better = True
    full_state_update = False
    right: Tensor
    all: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("all", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch."""
        self.right += (logits.argmax(1) == target).sum()
        self.all += target.numel()

    def compute(self) -> Tensor:
        """The share."""
        return self.right / self.all.clamp(min=1)


def image_of(height: int, width: int, number: int = 0) -> Any:
    """An image (H, W, 3) uint8 with edges and noise; the same for the same number."""
    generator = torch.Generator().manual_seed(number)
    noise = torch.randint(0, 60, (height, width, 3), generator=generator, dtype=torch.uint8)
    noise[height // 4 : height // 2, width // 3 :] += 150
    return noise.numpy()


def backbone() -> nn.Module:
    """A backbone with five maps."""
    return TinyBackbone()


def classifier(*, num_classes: FromData[int]) -> nn.Module:
    """A classifier with features."""
    return TinyClassifier(num_classes)


def segmenter(*, num_classes: FromData[int]) -> nn.Module:
    """A segmentation model."""
    return TinySegmenter(num_classes)


def loss() -> nn.Module:
    """Cross entropy."""
    return nn.CrossEntropyLoss()


def trainer(*, model: Model, loss: Loss) -> Task:
    """Learning from labels of images or pixels."""
    return TinyTask(model, loss)


def data(*, masks: bool = False) -> TinyData:
    """Eight images."""
    return TinyData(masks)


#: The names under which the recipes of `runs` find these components.
ENTRY_POINTS: Final = [
    EntryPoint(f"conformance_{factory.__name__}", f"{__name__}:{factory.__name__}", f"hw1cli.{kind}")
    for kind, factory in (
        ("backbones", backbone),
        ("models", classifier),
        ("models", segmenter),
        ("losses", loss),
        ("trainers", trainer),
        ("datasets", data),
    )
]
