"""The computation of multilabel classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from registry import InputError
from registry.engine import Batch

from .supervised import Supervised


class Multilabel(Supervised):
    """Any number of classes for every image; see the spec ``multilabel``."""

    target = "label"

    def __init__(self, model: nn.Module, loss: nn.Module, metrics: Sequence[Any], threshold: float) -> None:
        super().__init__(model, loss, metrics)
        self.threshold = threshold

    def _check_logits(self, logits: Tensor, batch: Batch) -> None:
        target = batch["label"]
        if target.dim() != 2:
            message = "this trainer needs samples with several labels each"
            raise InputError.of("data", message, "data: {use: csv_multilabels, ...}; one label: trainer classification")
        if logits.shape != target.shape:
            message = f"gives logits of shape {tuple(logits.shape)}, and this trainer needs {tuple(target.shape)}"
            raise InputError.of("model", message, "classifier and timm/... models classify")
