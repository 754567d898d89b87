"""Samples passed once through a network: outputs for reports, features for tasks whose backbone stays frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ...errors import InputError
from ...signals import StopRequest
from ..data.loader import EpochOrder, batches, close, make_loader
from ..data.preprocess import Preprocessor
from ..runtime.device import Runtime
from .task import Task

#: Side of a thumbnail in pixels.
_THUMBNAIL = 32


def extract(
    module: nn.Module,
    loader: DataLoader[Any],
    preprocess: Preprocessor,
    runtime: Runtime,
    read: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Tensor | None]],
    stop: StopRequest | None = None,
) -> tuple[list[str], dict[str, Tensor]]:
    """Walk over a loader with a module in evaluation mode, without gradients, in the run's precision.

    Args:
        module: set to evaluation, and back afterwards.
        read: ``read(batch, prepared)`` gives the columns of a batch; None leaves a column out.
        stop: ends the walk early.

    Returns:
        The samples' names, and the columns of all batches, concatenated on the CPU.
    """
    names: list[str] = []
    columns: dict[str, list[Tensor]] = {}
    was_training = module.training
    module.eval()
    with torch.inference_mode(), runtime.autocast():
        walk = batches(loader)
        for batch in walk if stop is None else stop.until_requested(walk):
            names += batch["name"]
            for name, values in read(batch, preprocess(batch)).items():
                if values is not None:
                    columns.setdefault(name, []).append(values.cpu())
    module.train(was_training)
    # Tensors of inference mode cannot take part in a backward pass: cloned outside of it they can.
    return names, {name: torch.cat(parts).clone() for name, parts in columns.items()}


# --- for reports --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outputs:
    """The evaluation split through the model, in the split's order.

    Attributes:
        names: of the N samples.
        labels: (N,) int64.
        logits: (N, classes) float32, on the CPU as all of them.
        features: (N, D) float32, the model's penultimate layer; None where it has no ``features``.
        thumbnails: (N, 32, 32, 3) uint8.
    """

    names: list[str]
    labels: Tensor
    logits: Tensor
    features: Tensor | None
    thumbnails: np.ndarray


def outputs_of(task: Task, loader: DataLoader[Any] | None, preprocess: Preprocessor, runtime: Runtime) -> Outputs:
    """Pass the evaluation split through the model.

    Raises:
        InputError: there is no evaluation split, or its samples have no labels.
    """
    if loader is None:
        raise InputError.of("data", "has no evaluation split, and a report needs one")
    features_of = getattr(task.model, "features", None)

    def read(batch: dict[str, Any], prepared: dict[str, Any]) -> dict[str, Tensor | None]:
        if "label" not in batch:
            raise InputError.of("data", "has samples without a label, and a report needs them")
        return {
            "labels": batch["label"],
            "logits": task.model(prepared["image"]).float(),
            "features": features_of(prepared["image"]).float() if features_of is not None else None,
            "thumbnails": _thumbnails(batch["image"]),
        }

    names, found = extract(task, loader, preprocess, runtime, read)
    return Outputs(names, found["labels"], found["logits"], found.get("features"), found["thumbnails"].numpy())


def _thumbnails(images: Tensor) -> Tensor:
    """(B, C, H, W) uint8 -> (B, 32, 32, 3) uint8."""
    small = F.interpolate(images.float(), (_THUMBNAIL, _THUMBNAIL), mode="area").round().to(torch.uint8)
    small = small.expand(-1, 3, -1, -1) if small.shape[1] == 1 else small[:, :3]
    return small.permute(0, 2, 3, 1)


# --- for tasks whose backbone stays frozen ------------------------------------------------------


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


def encoded(
    task: Task,
    loader: DataLoader[Any],
    order: EpochOrder | None,
    size: int,
    preprocess: Preprocessor,
    runtime: Runtime,
    stop: StopRequest,
) -> DataLoader[Any]:
    """A loader of the features that a task encodes a split into, in place of a loader of its images, which is closed.

    Args:
        order: of the features; None keeps the split's order, in batches of ``size``.
        stop: where it is requested meanwhile, the loader itself is returned.
    """
    split = loader.dataset
    in_order = EpochOrder(len(split), size, seed=None)  # type: ignore[arg-type]
    walk = make_loader(split, in_order, workers=loader.num_workers, pin_memory=False)

    def read(batch: dict[str, Any], prepared: dict[str, Any]) -> dict[str, Tensor | None]:
        return {"features": task.encode(prepared).float(), "labels": batch.get("label")}

    names, found = extract(task, walk, preprocess, runtime, read, stop)
    close(walk)
    if stop:
        return loader
    close(loader)
    features = Encoded(found["features"], found.get("labels"), names)
    return make_loader(features, order or in_order, workers=0, pin_memory=False)
