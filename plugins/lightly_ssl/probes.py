"""What a backbone that stays frozen is worth: a linear layer on its features, or a vote of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from registry import InputError
from registry.engine import Batch, Scores, Task, concatenated, summed

from .neighbours import NeighbourVote
from .ssl import Embedding, shape_of


def standing_still(backbone: nn.Module) -> Embedding:
    """A pooled backbone that does not learn."""
    return Embedding(backbone.requires_grad_(False))


class LinearProbe(Task):
    """One linear layer on features that are computed once; see the spec ``linear_probe``."""

    encodes_once = True
    higher_is_better = True

    def __init__(self, backbone: nn.Module, num_classes: int, loss: nn.Module, metrics: Sequence[Any]) -> None:
        super().__init__()
        embedding = standing_still(backbone)
        self.model = nn.Sequential(embedding, nn.Linear(embedding.dim, num_classes))
        self.criterion = loss
        self.metrics = Scores(metrics)
        self.monitor, self.higher_is_better = self.metrics.monitor, self.metrics.higher_is_better

    def train(self, mode: bool = True) -> LinearProbe:
        """The backbone stays in evaluation mode, so that its statistics stay frozen, too."""
        super().train(mode)
        self.model[0].eval()  # type: ignore[index]
        return self

    def encode(self, batch: Batch) -> Tensor:
        """(B, D) features of the images."""
        with torch.no_grad():
            return self.model[0](batch["image"])  # type: ignore[no-any-return, index]

    def _logits(self, batch: Batch) -> Tensor:
        features = batch["feature"] if "feature" in batch else self.encode(batch)
        return self.model[1](features).float()  # type: ignore[no-any-return, index]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = self._logits(batch)
        right = logits.detach().argmax(1) == batch["label"]
        return {"loss": self.criterion(logits, batch["label"]), "accuracy": right.float().mean()}

    def begin_evaluation(self) -> None:
        self._losses: list[Tensor] = [torch.zeros(())]
        self._images = 0
        self.metrics.reset()

    def evaluate(self, batch: Batch) -> None:
        logits, labels = self._logits(batch), batch["label"]
        self._losses.append(self.criterion(logits, labels).cpu() * len(labels))
        self._images += len(labels)
        self.metrics.update(logits, labels)

    def scores(self) -> dict[str, float]:
        loss, images = summed([float(torch.stack(self._losses).sum()), self._images])
        return {"loss": loss / max(images, 1), **self.metrics.compute()}


class NearestNeighbours(Task):
    """A vote of the nearest training images; nothing is learned. See the spec ``knn``."""

    encodes_once = True
    evaluation_splits = ("train", "val")
    predicts_classes = False
    higher_is_better = True
    monitor = "knn"

    def __init__(self, backbone: nn.Module, k: int, temperature: float) -> None:
        super().__init__()
        self.model = standing_still(backbone)
        self.vote = NeighbourVote(k, temperature)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError("nothing is learned here")

    def encode(self, batch: Batch) -> Tensor:
        """(B, D) features of the images."""
        return self.model(batch["image"])  # type: ignore[no-any-return]

    def begin_evaluation(self) -> None:
        self.vote.clear()
        self._seen: list[Tensor] = []

    def evaluate(self, batch: Batch) -> None:
        if "label" not in batch:
            raise InputError.of("data", "has images without labels, and kNN needs a label for each")
        features = batch["feature"] if "feature" in batch else self.encode(batch)
        if batch["split"] == "val":
            self._seen.append(features.float())
        (self.vote.remember if batch["split"] == "train" else self.vote.ask)(features, batch["label"])

    def scores(self) -> dict[str, float]:
        accuracy = self.vote.accuracy()
        return {"knn": accuracy if accuracy is not None else 0.0, **shape_of(concatenated(self._seen))}

    def card(self) -> dict[str, Any]:
        return {"knn_k": self.vote.k, "knn_temperature": self.vote.temperature}
