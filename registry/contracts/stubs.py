"""Small components that satisfy their contracts, to combine a component under test with."""

# No postponed annotations: the classes are entry points, whose signatures are read.
from importlib.metadata import EntryPoint
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from ..catalog.kinds import FromData, Loss, Model
from ..engine.train.task import Batch, Task
from .violations import Inconclusive


def make(kind: str) -> Any:
    """A stand-in of the kind, built for three classes.

    Raises:
        Inconclusive: there is none.
    """
    if kind == "augmentations":
        import albumentations

        return albumentations.HorizontalFlip()
    if kind == "backbones":
        return TinyBackbone()
    if kind == "models":
        return TinyClassifier(num_classes=3)
    if kind == "losses":
        return nn.CrossEntropyLoss(ignore_index=255)
    if kind == "metrics":
        return MulticlassAccuracy(3, average="micro")
    raise Inconclusive(f"there is no stand-in for {kind}")


class TinyBackbone(nn.Module):
    """Five maps, at strides 2 to 32."""

    channels, strides = (8, 8, 16, 16, 32), (2, 4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        sizes = zip((3, *self.channels), self.channels, strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o in sizes
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps, finest first."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class TinyClassifier(nn.Module):
    """Images to one label each."""

    def __init__(self, *, num_classes: FromData[int]) -> None:
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
    """Images to a label for each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes, H, W)."""
        logits = self.head(self.backbone(x)[-1].movedim(1, -1)).movedim(-1, 1)
        return nn.functional.interpolate(logits, size=x.shape[-2:], mode="bilinear")


class TinyTask(Task):
    """Learns from a label for each image, or for each pixel where there are masks."""

    monitor, higher_is_better = "accuracy", True

    def __init__(self, *, model: Model, loss: Loss) -> None:
        super().__init__()
        self.model, self.criterion, self.accuracy = model, loss, MulticlassAccuracy(2, average="micro")

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch."""
        return {"loss": self.criterion(*self._outputs(batch))}

    def _outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.model(batch["image"]).float(), batch["mask"] if "mask" in batch else batch["label"]

    def begin_evaluation(self) -> None:
        self.accuracy.reset()

    def evaluate(self, batch: Batch) -> None:
        self.accuracy.update(*self._outputs(batch))

    def scores(self) -> dict[str, float]:
        return {"accuracy": float(self.accuracy.compute())}


class TinySplit(list[dict[str, Any]]):
    """Eight images of 32 x 32 and their names."""

    def __init__(self, masks: bool, flags: bool) -> None:
        for number in range(8):
            image = image_of(32, 32, number)
            image[: 8 + number] //= 1 + number % 2
            label = (1 - number % 2, number % 2) if flags else number % 2
            target = {"mask": (image[..., 0] > 100).astype("uint8")} if masks else {"label": label}
            self.append({"image": image, "name": str(number), **target})
        self.names = [sample["name"] for sample in self]


class TinyData:
    """Two classes, of images or of pixels."""

    def __init__(self, *, masks: bool = False, flags: bool = False) -> None:
        self.masks, self.flags = masks, flags
        colors = {"class_colors": [(0, 0, 0), (255, 255, 255)]} if masks else {}
        self.facts = {"num_classes": 2, "class_names": ["dark", "light"], "ignore_index": None, **colors}

    def split(self, name: str) -> TinySplit | None:
        """Training and validation images."""
        return TinySplit(self.masks, self.flags) if name in ("train", "val") else None


def cross_entropy() -> nn.Module:
    """Cross entropy."""
    return nn.CrossEntropyLoss()


def image_of(height: int, width: int, number: int = 0) -> Any:
    """An image (H, W, 3) uint8 with edges and noise; the same for the same number."""
    generator = torch.Generator().manual_seed(number)
    noise = torch.randint(0, 60, (height, width, 3), generator=generator, dtype=torch.uint8)
    noise[height // 4 : height // 2, width // 3 :] += 150
    return noise.numpy()


#: The names under which the recipes of `runs` find these components.
ENTRY_POINTS: Final = [
    EntryPoint(f"conformance_{name}", f"{__name__}:{component.__name__}", f"hw1cli.{kind}")
    for kind, name, component in (
        ("backbones", "backbone", TinyBackbone),
        ("models", "classifier", TinyClassifier),
        ("models", "segmenter", TinySegmenter),
        ("losses", "loss", cross_entropy),
        ("trainers", "trainer", TinyTask),
        ("datasets", "data", TinyData),
    )
]
