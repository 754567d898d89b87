"""What a model makes of a whole evaluation split, for reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError
from ..data.loader import checked

if TYPE_CHECKING:
    from .run import Run

#: Side of a thumbnail in pixels.
_THUMBNAIL = 32


@dataclass(frozen=True)
class Outputs:
    """The evaluation split through the model, in the split's order.

    Attributes:
        names: of the N samples.
        labels: (N,) int64.
        logits: (N, classes) float32, on the CPU as all of them.
        features: (N, D) float32, the model's second-last layer; None where it has no ``features``.
        thumbnails: (N, 32, 32, 3) uint8.
    """

    names: list[str]
    labels: Tensor
    logits: Tensor
    features: Tensor | None
    thumbnails: np.ndarray


def collect(run: Run) -> Outputs:
    """Pass the evaluation split through the model.

    Raises:
        InputError: there is no evaluation split, or its samples have no labels.
    """
    loader = run.loaders.get("val")
    if loader is None:
        raise InputError.of("data", "has no evaluation split, and a report needs one")
    features_of = getattr(run.task.model, "features", None)
    names: list[str] = []
    columns: dict[str, list[Tensor]] = {"labels": [], "logits": [], "features": [], "thumbnails": []}
    was_training = run.task.training
    run.task.eval()
    with torch.inference_mode(), run.runtime.autocast():
        for batch in map(checked, loader):
            if "label" not in batch:
                raise InputError.of("data", "has samples without a label, and a report needs them")
            names += batch["name"]
            images = run.prepared(batch)["image"]
            columns["labels"].append(batch["label"])
            columns["logits"].append(run.task.model(images).float().cpu())
            if features_of is not None:
                columns["features"].append(features_of(images).float().cpu())
            columns["thumbnails"].append(_thumbnails(batch["image"]))
    run.task.train(was_training)
    found: dict[str, Any] = {name: torch.cat(parts) for name, parts in columns.items() if parts}
    return Outputs(names, found["labels"], found["logits"], found.get("features"), found["thumbnails"].numpy())


def _thumbnails(images: Tensor) -> Tensor:
    """(B, C, H, W) uint8 -> (B, 32, 32, 3) uint8."""
    small = F.interpolate(images.float(), (_THUMBNAIL, _THUMBNAIL), mode="area").round().to(torch.uint8)
    small = small.expand(-1, 3, -1, -1) if small.shape[1] == 1 else small[:, :3]
    return small.permute(0, 2, 3, 1)
