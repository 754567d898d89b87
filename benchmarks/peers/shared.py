"""What all scripts of this folder share: networks, data, settings, and the line that each prints at its end."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

#: Sides in pixels, batches, epochs, learning rate, and the score to reach.
SIDE, BATCH, EPOCHS, LR, TARGET = 32, 64, 5, 2e-3, 0.90
SCENE, SCENE_BATCH, SCENE_EPOCHS, SCENE_TARGET = 128, 8, 4, 0.15
BYOL_EPOCHS, BYOL_TARGET = 3, 0.75
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 7
#: Where ``run.py`` has written digits/{train,val}/CLASS/*.png and scenes/.
DATA = Path(os.environ.get("PEERS_DATA", "peers_data"))


def network(classes: int = 10) -> nn.Module:
    """A small ResNet, so that the table takes minutes on two cores."""
    import timm

    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=classes)


def segmenter() -> nn.Module:
    """A U-Net."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    return smp.Unet("tu-resnet10t", encoder_weights=None, classes=CLASSES)


def digits(split: str, transform: Any | None = None) -> ImageFolder:
    """Scans of handwritten digits in a folder for each class, as every tutorial reads them."""
    as_floats = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    return ImageFolder(str(DATA / "digits" / split), transform or v2.Compose(as_floats))


def loader(data: Dataset[Any], *, batch: int = BATCH, train: bool) -> DataLoader[Any]:
    """Without workers, which gain nothing for images this small on two cores."""
    return DataLoader(data, batch_size=batch, shuffle=train, drop_last=train)


class Scenes(Dataset[tuple[Tensor, Tensor]]):
    """Land cover with masks of classes; flips in training."""

    def __init__(self, split: str) -> None:
        self.images = sorted((DATA / "scenes" / split).glob("*_sat.jpg"))
        self.train = split == "train"
        # 4R + 2G + B of a mask's colour -> its class; 0, which is unknown, is the last.
        self.classes = torch.tensor([6, 4, 2, 0, 6, 3, 1, 5])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path = self.images[index]
        image = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        bits = np.asarray(Image.open(path.with_name(path.name.replace("_sat.jpg", "_mask.png")))) >= 128
        image, bits = ((image - MEAN) / STD).astype(np.float32), bits.astype(np.int64)
        if self.train and torch.rand(()) < 0.5:
            image, bits = image[:, ::-1], bits[:, ::-1]
        code = 4 * bits[..., 0] + 2 * bits[..., 1] + bits[..., 2]
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), self.classes[torch.from_numpy(code)]


@torch.no_grad()
def accuracy(model: nn.Module, batches: DataLoader[Any]) -> float:
    """The share of images classified rightly."""
    model.eval()
    right = [(model(images).argmax(1) == labels).float() for images, labels in batches]
    model.train()
    return float(torch.cat(right).mean())


@torch.no_grad()
def miou(model: nn.Module, batches: DataLoader[Any]) -> float:
    """The mean IoU of the six known classes that occur."""
    model.eval()
    table = torch.zeros(CLASSES, CLASSES)
    for images, masks in batches:
        index = masks * CLASSES + model(images).max(1).indices
        table += torch.bincount(index.flatten(), minlength=CLASSES**2).view(CLASSES, CLASSES)
    model.train()
    known = table[:-1]
    union = known.sum(1) + table.sum(0)[:-1] - known.diagonal()
    return float((known.diagonal() / union)[known.sum(1) > 0].mean())


def knn(backbone: nn.Module) -> float:
    """The accuracy of 20 nearest neighbours of pooled features, trained on the training digits."""
    from sklearn.neighbors import KNeighborsClassifier

    backbone.eval()
    found = []
    with torch.no_grad():
        for split in ("train", "val"):
            parts = [(backbone(images).flatten(1), labels) for images, labels in loader(digits(split), train=False)]
            features, labels = (torch.cat(each) for each in zip(*parts, strict=True))
            found.append((nn.functional.normalize(features).numpy(), labels.numpy()))
    return float(KNeighborsClassifier(20, metric="cosine").fit(*found[0]).score(*found[1]))


class Stopwatch:
    """Times epochs; begins when it is made, once libraries are imported."""

    def __init__(self, target: float) -> None:
        self.target, self.start = target, time.perf_counter()
        self.training, self.images, self.reached, self.score = 0.0, 0, None, 0.0

    def epoch(self, images: int, seconds: float, score: float | None) -> None:
        """An epoch of ``images``, its seconds of training, and the score after it."""
        self.images, self.training = self.images + images, self.training + seconds
        if score is not None:
            self.score = max(score, self.score)
            if self.reached is None and score >= self.target:
                self.reached = time.perf_counter() - self.start

    def report(self) -> None:
        """One line of JSON, which ``run.py`` reads."""
        figures = {
            "images_per_second": self.images / self.training,
            "seconds_to_score": self.reached,
            "score": self.score,
            "seconds": time.perf_counter() - self.start,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(figures), file=sys.__stdout__)


def train(
    model: nn.Module, data: DataLoader[Any], val: DataLoader[Any], score: Any, loss_of: Any, target: float, epochs: int
) -> None:
    """The plain loop of every tutorial."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    watch = Stopwatch(target)
    for _ in range(epochs):
        start, images = time.perf_counter(), 0
        for inputs, labels in data:
            loss_of(model(inputs), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
            images += len(inputs)
        watch.epoch(images, time.perf_counter() - start, score(model, val))
    watch.report()


def hw1cli(recipe: str, target: float, monitor: str, sets: Sequence[str] = ()) -> None:
    """hw1cli's run of a recipe in this process."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import tempfile

    from rich.console import Console

    from registry.catalog.registry import Registry
    from registry.engine.train.session import execute
    from registry.recipe.request import Request, planned

    class Lines:
        """What the run prints; notes when an epoch's line comes."""

        def __init__(self) -> None:
            self.moments: list[float] = []

        def write(self, text: str) -> None:
            # Progress within an epoch begins alike, and has no mean of the epoch.
            self.moments += [time.perf_counter()] * (text.startswith("epoch ") and "train_loss" in text)

        def flush(self) -> None:
            """Nothing is kept back."""

    lines: Any = Lines()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.yaml"
        path.write_text(recipe.format(data=DATA.resolve()))
        watch = Stopwatch(target)
        execute(planned(Request(path, sets=tuple(sets)), Registry()), Console(file=lines), out=Path(folder) / "run")
        rows = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    for row, moment in zip(rows, lines.moments, strict=True):
        score = row.get(monitor)
        watch.epoch(round(row["images_per_second"] * row["seconds"]), row["seconds"], score)
        if score is not None and score >= target and watch.reached is not None:
            watch.reached = min(watch.reached, moment - watch.start)
    watch.report()
