"""Samples passed once through a network: its outputs and features, for reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ...errors import InputError
from ..data.loader import batches
from ..data.preprocess import Preprocessor
from ..runtime import processes
from ..runtime.device import Runtime
from .task import Task

#: Side of a thumbnail in pixels.
_THUMBNAIL = 32


def extract(
    module: nn.Module,
    walk: Iterator[dict[str, Any]],
    preprocess: Preprocessor,
    runtime: Runtime,
    read: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Tensor | None]],
) -> tuple[list[str], dict[str, Tensor]]:
    """Walk over batches with a module in evaluation mode, without gradients, in the run's precision.

    Args:
        module: set to evaluation, and back afterwards.
        walk: a loader's batches.
        read: ``read(batch, prepared)`` gives the columns of a batch; None leaves a column out.

    Returns:
        The samples' names, and the columns of all batches and processes, concatenated on the CPU, in the split's order.
    """
    names: list[str] = []
    columns: dict[str, list[Tensor]] = {}
    was_training = module.training
    module.eval()
    with torch.inference_mode(), runtime.autocast():
        for batch in walk:
            names += batch["name"]
            for name, values in {"index": batch["index"], **read(batch, preprocess(batch))}.items():
                if values is not None:
                    columns.setdefault(name, []).append(values.cpu())
    module.train(was_training)
    # Tensors of inference mode cannot take part in a backward pass: cloned outside of it they can.
    found = {name: torch.cat(parts).clone() for name, parts in columns.items()}
    if processes.process_count() > 1:
        names, found = _merged(processes.gathered((names, found)))
    return names, {name: values for name, values in found.items() if name != "index"}


def _merged(parts: Sequence[tuple[list[str], dict[str, Tensor]]]) -> tuple[list[str], dict[str, Tensor]]:
    """Names and columns that several processes extracted, in the split's order."""
    parts = [part for part in parts if part[0]]
    names = [name for part, _ in parts for name in part]
    whole = {name: torch.cat([columns[name] for _, columns in parts]) for name in parts[0][1]}
    order = whole["index"].argsort()
    return [names[index] for index in order.tolist()], {name: values[order] for name, values in whole.items()}


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

    def read(batch: dict[str, Any], prepared: dict[str, Any]) -> dict[str, Tensor | None]:
        if "label" not in batch or batch["label"].dim() != 1:
            raise InputError.of("data", "has samples without one label each, and a report needs them")
        logits, features = _logits_and_features(task.model, prepared["image"])
        return {
            "labels": batch["label"],
            "logits": logits.float(),
            "features": features.float() if features is not None else None,
            "thumbnails": _thumbnails(batch["image"]),
        }

    names, found = extract(task, batches(loader), preprocess, runtime, read)
    return Outputs(names, found["labels"], found["logits"], found.get("features"), found["thumbnails"].numpy())


def _logits_and_features(model: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Both from one forward pass, where the model's ``forward`` uses its own ``features``."""
    features_of = getattr(model, "features", None)
    if features_of is None or isinstance(features_of, nn.Module):
        return model(images), features_of(images) if features_of is not None else None
    seen = []

    def keeping(x: Tensor) -> Tensor:
        seen.append(features_of(x))
        return seen[-1]  # type: ignore[no-any-return]

    model.features = keeping
    try:
        logits = model(images)
    finally:
        del model.features  # the class's own shows again
    return logits, seen[0] if len(seen) == 1 else features_of(images)


def _thumbnails(images: Tensor) -> Tensor:
    """(B, C, H, W) uint8 or uint16 -> (B, 32, 32, 3) uint8; of 16 bits the upper 8."""
    small = F.interpolate(images.float(), (_THUMBNAIL, _THUMBNAIL), mode="area")
    small = (small / 256 if images.dtype == torch.uint16 else small.round()).to(torch.uint8)
    small = small.expand(-1, 3, -1, -1) if small.shape[1] == 1 else small[:, :3]
    return small.permute(0, 2, 3, 1)
