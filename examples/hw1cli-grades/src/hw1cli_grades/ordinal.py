"""The training task for ordered grades."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from registry import InputError
from registry.engine import Batch, Task


class Ordinal(Task):
    """See the spec ``ordinal``.

    Args:
        model: images to (B, K) logits.
        loss: (logits, target) -> scalar.
    """

    monitor = "kappa"
    higher_is_better = True

    def __init__(self, model: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.model, self.criterion = model, loss
        self.begin_evaluation()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch, and its mean error in grades."""
        target = _grades(batch)
        logits = self.model(batch["image"]).float()
        distance = (median(logits.detach()) - target).abs().float().mean()
        return {"loss": self.criterion(logits, target), "mae": distance}

    def begin_evaluation(self) -> None:
        """Reset the scores."""
        self._loss, self._pairs = 0.0, list[Tensor]()

    def evaluate(self, batch: Batch) -> None:
        """Keep the true and the predicted grades of an evaluation batch."""
        target = _grades(batch)
        logits = self.model(batch["image"]).float()
        self._loss += float(self.criterion(logits, target)) * len(target)
        self._pairs.append(torch.stack([target, median(logits)]).cpu())

    def scores(self) -> dict[str, float]:
        """``loss``, ``kappa``, ``mae`` and ``accuracy``; nothing before the first batch."""
        if not self._pairs:
            return {}
        truth, predicted = torch.cat(self._pairs, 1)
        distance = (truth - predicted).abs().double()
        return {
            "loss": self._loss / len(truth),
            "kappa": weighted_kappa(truth, predicted),
            "mae": float(distance.mean()),
            "accuracy": float((distance == 0).double().mean()),
        }


def median(logits: Tensor) -> Tensor:
    """(B, K) logits -> (B,) the grade that halves the predicted distribution, whose expected error is the least."""
    below = logits.softmax(1).cumsum(1) < 0.5
    return below.sum(1).clamp(max=logits.shape[1] - 1)


def weighted_kappa(truth: Tensor, predicted: Tensor) -> float:
    """Cohen's kappa with quadratic weights: 1 minus the squared error over that of independent predictions.

    Args:
        truth, predicted: (N,) grades each.

    Returns:
        1 for agreement, about 0 for random predictions; 0 where truth and predictions are all the same grade.
    """
    truth, predicted = truth.double(), predicted.double()
    by_chance = (truth[:, None] - predicted[None, :]).square().mean()
    return float(1 - (truth - predicted).square().mean() / by_chance) if by_chance > 0 else 0.0


def _grades(batch: Batch) -> Tensor:
    if "label" not in batch:
        raise InputError.of("data", "has no image labels, which this trainer needs", "see 'hw1cli list datasets'")
    labels: Tensor = batch["label"]
    return labels
