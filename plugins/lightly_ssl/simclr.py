"""SimCLR (Chen et al., 2020)."""

from __future__ import annotations

from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from torch import Tensor

from .ssl import Common, SelfSupervised
from .whole_batch import whole_batch


class SimCLR(SelfSupervised):
    """A view finds its other one among all of the batch; see the spec ``simclr``."""

    def __init__(self, common: Common, hidden_dim: int, output_dim: int, temperature: float) -> None:
        super().__init__(common)
        self.projector = SimCLRProjectionHead(self.dim, hidden_dim, output_dim)
        self.criterion = NTXentLoss(temperature)

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """NT-Xent, equation 1 of the paper."""
        first, second = (whole_batch(self.projector(each).float()) for each in features[:2])
        loss: Tensor = self.criterion(first, second)
        return loss
