"""A plain PyTorch loop with SMP's own model and loss and the settings of ``recipes/seg_camvid.yaml``, for comparison.

    python benchmarks/camvid_plain.py data/camvid --epochs 12
    hw1cli run recipes/seg_camvid.yaml --set trainer.epochs=12

Nothing of hw1cli is used, and the weights are not averaged, as the recipe's ``ema`` does. One line an epoch, as CSV;
``images_per_second`` is that of the training steps, loading included.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassJaccardIndex

CLASSES, IGNORED = 11, 11


class CamVid(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Normalised images (3, H, W) and masks (H, W) of a split."""

    def __init__(self, folder: Path, transform: list[A.BasicTransform]) -> None:
        self.images = sorted((folder / "images").iterdir())
        self.masks = sorted((folder / "masks").iterdir())
        self.transform = A.Compose([*transform, A.Normalize()])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = np.asarray(Image.open(self.images[index]).convert("RGB"))
        mask = np.asarray(Image.open(self.masks[index]))
        changed = self.transform(image=image, mask=mask)
        return torch.from_numpy(changed["image"]).permute(2, 0, 1), torch.from_numpy(changed["mask"]).long()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with train/ and val/, each with images/ and masks/")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    jitter = A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.05, 0.05))
    train = CamVid(arguments.root / "train", [A.RandomCrop(256, 256), A.HorizontalFlip(), jitter])
    val = CamVid(
        arguments.root / "val",
        [
            A.PadIfNeeded(
                pad_height_divisor=32, pad_width_divisor=32, min_height=None, min_width=None, fill_mask=IGNORED
            )
        ],
    )
    options = {
        "batch_size": arguments.batch_size,
        "num_workers": arguments.workers,
        "persistent_workers": arguments.workers > 0,
    }
    train_loader, val_loader = DataLoader(train, shuffle=True, **options), DataLoader(val, **options)

    net = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    criterion = smp.losses.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=IGNORED)
    optimizer = torch.optim.AdamW(net.parameters(), lr=arguments.lr, weight_decay=1e-2)
    steps = len(train_loader) * arguments.epochs
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))

    print("epoch,train_loss,miou,images_per_second,seconds", flush=True)
    for epoch in range(1, arguments.epochs + 1):
        net.train()
        start, loss_sum = time.perf_counter(), 0.0
        for images, masks in train_loader:
            loss = criterion(net(images), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            loss_sum += float(loss.detach()) * len(images)
        seconds = time.perf_counter() - start
        figures = (loss_sum / len(train), evaluate(net, val_loader), len(train) / seconds, seconds)
        print(epoch, *(f"{value:.4f}" for value in figures), sep=",", flush=True)


def rate(step: int, steps: int, warmup: float = 0.02) -> float:
    """Half a cosine after a linear warm-up, as hw1cli's ``cosine`` counts the steps."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


@torch.inference_mode()
def evaluate(net: torch.nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Mean IoU over all pixels of the split."""
    net.eval()
    metric = MulticlassJaccardIndex(CLASSES, ignore_index=IGNORED, validate_args=False)
    for images, masks in loader:
        metric.update(net(images), masks)
    return float(metric.compute())


if __name__ == "__main__":
    main()
