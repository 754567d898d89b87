"""The computation of image classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from registry.engine import Batch

from .mixing import mix
from .supervised import Supervised


class Classification(Supervised):
    """A class for every image; see the spec ``classification``."""

    target = "label"

    def __init__(
        self, model: nn.Module, loss: nn.Module, metrics: Sequence[Any], mixup: float = 0.0, cutmix: float = 0.0
    ) -> None:
        super().__init__(model, loss, metrics)
        self.mixup, self.cutmix = mixup, cutmix

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch and its accuracy, of a mixture that of its larger part."""
        self._check_target(batch)
        mixed = mix(batch["image"], batch["label"], mixup=self.mixup, cutmix=self.cutmix)
        logits = self.model(mixed.images)
        self._check_logits(logits, batch)
        logits = logits.float()
        loss = self.criterion(logits, mixed.first)
        if mixed.share < 1:
            loss = mixed.share * loss + (1 - mixed.share) * self.criterion(logits, mixed.second)
        right = logits.detach().max(1).indices == mixed.first
        return {"loss": loss, "accuracy": right.float().mean()}
