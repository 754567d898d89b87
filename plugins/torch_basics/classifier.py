"""A linear classifier on any backbone."""

from __future__ import annotations

from torch import Tensor, nn


class Classifier(nn.Module):
    """Global average pooling of the backbone's last map, dropout, one linear layer.

    Args:
        backbone: keeps the backbone contract.
        num_classes: outputs.
        dropout: share of pooled features dropped in training.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.channels[-1], num_classes)  # type: ignore[index, arg-type]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, D) pooled features."""
        return self.backbone(x)[-1].mean(dim=(2, 3))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, classes) logits."""
        return self.head(self.dropout(self.features(x)))  # type: ignore[no-any-return]
