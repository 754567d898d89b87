"""A linear classifier on any backbone, trained along or frozen."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Literal, Self

import torch
from torch import Tensor, nn

from registry.engine import describe_backbone


class Classifier(nn.Module):
    """Global average pooling of the backbone's last map, dropout, one linear layer.

    Args:
        backbone: keeps the backbone contract.
        num_classes: outputs.
        dropout: share of pooled features dropped in training.
        freeze: ``backbone``: none of its parameters and buffers ever changes. It stays in evaluation mode, so that the
            statistics of its batch norms, its dropout and its stochastic depth stay frozen as well, and its forward
            pass keeps nothing for gradients.

    Raises:
        PluginError: the backbone does not keep the contract.
    """

    def __init__(
        self, backbone: nn.Module, num_classes: int, dropout: float = 0.0, freeze: Literal["none", "backbone"] = "none"
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(describe_backbone(backbone).channels[-1], num_classes)
        self.frozen = freeze == "backbone"
        if self.frozen:
            backbone.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As ``nn.Module.train``; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, D) pooled features."""
        with torch.no_grad() if self.frozen else nullcontext():
            pooled: Tensor = self.backbone(x)[-1].mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, classes) logits."""
        logits: Tensor = self.head(self.dropout(self.features(x)))
        return logits
