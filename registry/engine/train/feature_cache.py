"""Images passed once through a network that stands still, so that what learns on top sees only its features."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data.loader import EpochOrder, checked, close, make_loader

if TYPE_CHECKING:
    from .loop import Learning
    from .run import Run


class Encoded(Dataset[dict[str, Any]]):
    """A split as features, addressed by ``(epoch, index)`` as images are.

    Args:
        features: (N, D) float32.
        labels: (N,) int64; None without labels.
        names: of the N samples.
    """

    def __init__(self, features: Tensor, labels: Tensor | None, names: list[str]) -> None:
        self.features, self.labels, self.names = features, labels, names

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        index = key[1]
        sample = {"feature": self.features[index], "index": index, "name": self.names[index]}
        return sample if self.labels is None else {**sample, "label": int(self.labels[index])}


def encode_once(run: Run, learning: Learning) -> None:
    """Replace the loaders of a task that ``encodes_once`` by such of its features."""
    start = time.monotonic()
    loaders = {"learn": learning.train_loader, **run.loaders}
    encoded = {name: _encode(run, loader) for name, loader in loaders.items()}
    images = sum(len(split) for split in encoded.values())
    for loader in loaders.values():
        close(loader)
    learning.train_loader = _loader(encoded.pop("learn"), learning.train_order)
    size = run.plan.loop.eval_batch_size or run.plan.loop.batch_size
    run.loaders = {name: _loader(split, EpochOrder(len(split), size, seed=None)) for name, split in encoded.items()}
    run.display.say(f"features of {images} images extracted in {time.monotonic() - start:.0f} s")


def _encode(run: Run, loader: DataLoader[Any]) -> Encoded:
    """Every sample of the loader's split, in the split's order."""
    split = loader.dataset
    order = EpochOrder(len(split), run.plan.loop.eval_batch_size or run.plan.loop.batch_size, seed=None)  # type: ignore[arg-type]
    walk = make_loader(split, order, workers=loader.num_workers, pin_memory=False)  # type: ignore[arg-type]
    features, labels, names = [], [], []
    run.task.eval()
    with torch.inference_mode(), run.runtime.autocast():
        for batch in map(checked, walk):
            features.append(run.task.encode(run.prepared(batch)).float().cpu())
            names += batch["name"]
            labels += [batch["label"]] if "label" in batch else []
    close(walk)
    return Encoded(torch.cat(features).clone(), torch.cat(labels) if labels else None, names)


def _loader(split: Encoded, order: EpochOrder) -> DataLoader[Any]:
    return make_loader(split, order, workers=0, pin_memory=False)
