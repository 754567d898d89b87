"""Mean average precision of multilabel classification."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.classification import MultilabelAveragePrecision
from torchmetrics.utilities import dim_zero_cat

from registry import InputError


class MeanAveragePrecision(MultilabelAveragePrecision):
    """Area under the precision-recall curve of each class, exact, and its mean over the classes that occur.

    Args:
        class_names: names for the classes' own scores.
    """

    headline = "map"

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(len(class_names), average=None, validate_args=False)
        self.class_names = class_names

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits and flags, (B, classes) both."""
        if logits.shape != target.shape:
            hint = "use accuracy, or trainer multilabel"
            raise InputError.of("metrics", "map counts several labels of an image", hint)
        super().update(logits.sigmoid(), target)

    def compute(self) -> dict[str, float]:  # type: ignore[override]
        """``map``, and ``ap/<class>`` of each class that occurs."""
        values = torch.nan_to_num(super().compute(), nan=-1.0).tolist()
        positives = dim_zero_cat(self.target).sum(0).tolist()
        found = {f"ap/{n}": v for n, v, p in zip(self.class_names, values, positives, strict=True) if p}
        return {"map": sum(found.values()) / max(len(found), 1), **found}
