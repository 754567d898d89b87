"""What supervised trainers share: a model, a loss, scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from registry import InputError
from registry.engine import Batch, Scores, Task, concatenated, summed

from .probability_counts import probability_counts


class Supervised(Task):
    """Learning from targets.

    Args:
        model: images to logits.
        loss: (logits, target) -> scalar.
        metrics: a ``torchmetrics.Metric`` each; the first one is monitored, see ``Scores``.
    """

    #: The batch's key of the targets.
    target: ClassVar[str]

    def __init__(self, model: nn.Module, loss: nn.Module, metrics: Sequence[Any]) -> None:
        super().__init__()
        self.model = model
        self.criterion = loss
        self.metrics = Scores(metrics)
        self.monitor, self.higher_is_better = self.metrics.monitor, self.metrics.higher_is_better
        self.left_out: int | None = getattr(loss, "ignore_index", None)
        self._loss_sum, self._weights = torch.zeros(()), torch.zeros(())
        self._counts: Tensor | None = None

    def weight(self, batch: Batch) -> float:
        """The images; where the loss ignores a label of masks, the share of them whose pixels count."""
        target = batch[self.target]
        if self.left_out is None:
            return len(target)
        return float((target != self.left_out).float().mean()) * len(target)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch. Logits go to it in full precision."""
        self._check_target(batch)
        logits = self.model(batch["image"])
        self._check_logits(logits, batch)
        return {"loss": self.criterion(logits.float(), batch[self.target])}

    def _check_target(self, batch: Batch) -> None:
        """Whether the data fit the trainer at all."""
        if self.target not in batch:
            raise InputError.of(
                "data", f"this trainer needs samples with a {self.target}", "see 'hw1cli list trainers'"
            )

    def _check_logits(self, logits: Tensor, batch: Batch) -> None:
        """Whether the model does."""
        wanted = batch[self.target].dim() + 1
        if logits.dim() != wanted:
            shape = "(B, classes, H, W)" if wanted == 4 else "(B, classes)"
            message = f"gives logits of shape {tuple(logits.shape)}, and this trainer needs {shape}"
            raise InputError.of("model", message, "smp/... models segment; classifier and timm/... models classify")

    def begin_evaluation(self) -> None:
        self._loss_sum, self._weights = torch.zeros(()), torch.zeros(())
        self._counts = None
        self.metrics.reset()

    def evaluate(self, batch: Batch) -> None:
        logits = self.model(batch["image"]).float()
        target = batch[self.target]
        loss = self.criterion(logits, target)
        counts = torch.ones_like(target) if self.left_out is None else target != self.left_out
        weight = counts.float().mean() * len(target)
        self._loss_sum = self._loss_sum.to(loss.device) + loss * weight
        self._weights = self._weights.to(loss.device) + weight
        found = probability_counts(logits, target, self.left_out)
        self._counts = found if self._counts is None else self._counts + found
        self.metrics.update(logits, target)

    def scores(self) -> dict[str, float]:
        """The mean loss and the scores of every metric."""
        loss, weight = summed([float(self._loss_sum), float(self._weights)])
        return {"loss": loss / max(weight, 1e-12), **self.metrics.compute()}

    def probability_counts(self) -> np.ndarray | None:
        # A process without an evaluation batch adds nothing.
        own = torch.zeros(0, dtype=torch.int64) if self._counts is None else self._counts[None]
        counts = concatenated([own])
        return counts.sum(0).cpu().numpy() if len(counts) else None

    def notes(self) -> list[str]:
        """What the metrics report besides scores."""
        return self.metrics.notes()
