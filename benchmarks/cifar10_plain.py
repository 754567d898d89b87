"""A plain PyTorch loop with the net, the data and the settings of ``recipes/cls_cifar10.yaml``, for comparison.

    python benchmarks/cifar10_plain.py data/cifar10-subset
    hw1cli run recipes/cls_cifar10.yaml

Torchvision reads, augments and builds the network; nothing of hw1cli is used. One line an epoch, as CSV.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.models import resnet18

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with train/CLASS and test/CLASS")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true", help="full precision; default bf16 with channels_last")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    layout = torch.contiguous_format if arguments.fp32 else torch.channels_last
    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *normalize]
    train = datasets.ImageFolder(str(arguments.root / "train"), transforms.Compose(augment))
    test = datasets.ImageFolder(str(arguments.root / "test"), transforms.Compose(normalize))
    options = {"batch_size": arguments.batch_size, "num_workers": arguments.workers}
    train_loader = DataLoader(train, shuffle=True, persistent_workers=arguments.workers > 0, **options)
    test_loader = DataLoader(test, persistent_workers=arguments.workers > 0, **options)

    net = resnet18(num_classes=len(train.classes))
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)  # the stem for images of 32 pixels
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    net.maxpool = nn.Identity()
    net.to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=arguments.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = len(train_loader) * arguments.epochs
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))

    print("epoch,train_loss,train_accuracy,val_loss,accuracy,seconds", flush=True)
    for epoch in range(1, arguments.epochs + 1):
        net.train()
        start, loss_sum, right = time.perf_counter(), 0.0, 0
        for images, labels in train_loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=not arguments.fp32):
                logits = net(images.contiguous(memory_format=layout)).float()
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            loss_sum += float(loss.detach()) * len(labels)
            right += int((logits.argmax(1) == labels).sum())
        seconds = time.perf_counter() - start
        val_loss, accuracy = evaluate(net, test_loader, layout, not arguments.fp32)
        figures = (loss_sum / len(train), right / len(train), val_loss, accuracy, seconds)
        print(epoch, *(f"{figure:.4f}" for figure in figures), sep=",", flush=True)


def rate(step: int, steps: int, warmup: float = 0.1) -> float:
    """Half a cosine after a linear warm-up, as hw1cli's ``cosine`` counts the steps."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


@torch.inference_mode()
def evaluate(
    net: nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]], layout: torch.memory_format, reduced: bool
) -> tuple[float, float]:
    """Mean loss and accuracy."""
    net.eval()
    loss_sum, right, images_seen = 0.0, 0, 0
    for images, labels in loader:
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            logits = net(images.contiguous(memory_format=layout)).float()
        loss_sum += float(F.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
        images_seen += len(labels)
    return loss_sum / images_seen, right / images_seen


if __name__ == "__main__":
    main()
