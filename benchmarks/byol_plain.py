"""BYOL in a plain PyTorch loop with Lightly's own parts, settings as in ``recipes/ssl_byol_cifar10.yaml``.

    python benchmarks/byol_plain.py data/cifar10-subset
    hw1cli run recipes/ssl_byol_cifar10.yaml

Lightly's transforms (PIL), heads, loss and momentum update; torchvision reads images and builds the network. Nothing
of hw1cli is used. One line an evaluated epoch, as CSV, the untrained backbone as epoch 0.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
from lightly.utils.scheduler import cosine_schedule
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
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=20, help="side of the views in pixels")
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--weight-decay", type=float, default=5e-3)
    parser.add_argument("--momentum", type=float, default=0.95, help="of the target at the start")
    parser.add_argument("--every", type=int, default=4, help="epochs between two kNN scores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true", help="full precision; default bf16 with channels_last")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    layout = torch.contiguous_format if arguments.fp32 else torch.channels_last
    common = {
        "input_size": arguments.size,
        "cj_strength": 0.5,
        "min_scale": 0.2,
        "gaussian_blur": 0.0,
        "solarization_prob": 0.0,
    }
    views = BYOLTransform(BYOLView1Transform(**common), BYOLView2Transform(**common))
    plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    options = {"num_workers": arguments.workers, "persistent_workers": arguments.workers > 0}
    learn = datasets.ImageFolder(str(arguments.root / "train"), views)
    loader = DataLoader(learn, arguments.batch_size, shuffle=True, **options)
    bank, queries = (
        DataLoader(datasets.ImageFolder(str(arguments.root / split), plain), 256, num_workers=arguments.workers)
        for split in ("train", "test")
    )

    backbone = resnet18(zero_init_residual=True)
    backbone.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)  # the stem for images of 32 pixels
    nn.init.kaiming_normal_(backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
    backbone.maxpool, backbone.fc = nn.Identity(), nn.Identity()
    online = nn.Sequential(backbone, BYOLProjectionHead(512, 1024, 256)).to(memory_format=layout)
    predictor = BYOLPredictionHead(256, 1024, 256)
    target = copy.deepcopy(online)
    deactivate_requires_grad(target)
    criterion = NegativeCosineSimilarity()
    learning = [*online.parameters(), *predictor.parameters()]
    optimizer = torch.optim.SGD(learning, lr=arguments.lr, momentum=0.9, weight_decay=arguments.weight_decay)
    steps = len(loader) * arguments.epochs
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
    reduced = not arguments.fp32

    print("epoch,train_loss,knn,images_per_second,seconds", flush=True)
    print(f"0,,{knn(backbone, bank, queries, layout, reduced):.4f},,", flush=True)
    step = 0
    for epoch in range(1, arguments.epochs + 1):
        online.train(), predictor.train(), target.train()
        start, loss_sum = time.perf_counter(), 0.0
        for (first, second), _ in loader:
            first, second = (view.contiguous(memory_format=layout) for view in (first, second))
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                p = [predictor(online(view)).float() for view in (first, second)]
                with torch.no_grad():
                    t = [target(view).float() for view in (first, second)]
            loss = criterion(p[0], t[1]) + criterion(p[1], t[0])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            update_momentum(online, target, cosine_schedule(step, steps, arguments.momentum, 1.0))
            loss_sum += float(loss.detach()) * len(first)
        seconds = time.perf_counter() - start
        if epoch % arguments.every == 0 or epoch == arguments.epochs:
            score = knn(backbone, bank, queries, layout, reduced)
            figures = (loss_sum / len(learn), score, len(learn) / seconds, seconds)
            print(epoch, *(f"{figure:.4f}" for figure in figures), sep=",", flush=True)


def rate(step: int, steps: int, warmup: float = 0.1) -> float:
    """Half a cosine after a linear warm-up, as hw1cli's ``cosine`` counts the steps."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


@torch.inference_mode()
def knn(
    backbone: nn.Module, bank: DataLoader, queries: DataLoader, layout: torch.memory_format, reduced: bool
) -> float:
    """Accuracy of a vote of 20 neighbours weighted by exp(similarity / 0.07)."""
    backbone.eval()

    def features(loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
        found = []
        for images, labels in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                found.append((backbone(images.contiguous(memory_format=layout)).float(), labels))
        return F.normalize(torch.cat([f for f, _ in found]), dim=1), torch.cat([labels for _, labels in found])

    (known, labels), (asked, truth) = features(bank), features(queries)
    similarity, near = (asked @ known.T).topk(20, dim=1)
    votes = torch.zeros(len(asked), int(labels.max()) + 1)
    votes.scatter_add_(1, labels[near], (similarity / 0.07).exp())
    return float((votes.argmax(1) == truth).float().mean())


if __name__ == "__main__":
    main()
