"""Features kept apart by their statistics: Barlow Twins (Zbontar et al., 2021) and VICReg (Bardes et al., 2022)."""

from __future__ import annotations

from lightly.loss import BarlowTwinsLoss, VICRegLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead, VICRegProjectionHead
from torch import Tensor

from .ssl import Common, SelfSupervised
from .whole_batch import whole_batch


class BarlowTwins(SelfSupervised):
    """The correlations between two views' dimensions become the identity; see the spec ``barlow_twins``."""

    def __init__(self, common: Common, output_dim: int, off_diagonal: float) -> None:
        super().__init__(common)
        self.projector = BarlowTwinsProjectionHead(self.dim, output_dim, output_dim)
        self.criterion = BarlowTwinsLoss(off_diagonal)

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """Equation 1 of the paper."""
        first, second = (whole_batch(self.projector(each).float()) for each in features[:2])
        loss: Tensor = self.criterion(first, second)
        return loss


class VICReg(SelfSupervised):
    """Two views agree, their dimensions vary, and do not covary; see the spec ``vicreg``."""

    def __init__(self, common: Common, output_dim: int, invariance: float, variance: float, covariance: float) -> None:
        super().__init__(common)
        self.projector = VICRegProjectionHead(self.dim, output_dim, output_dim)
        self.criterion = VICRegLoss(invariance, variance, covariance)

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """Equation 6 of the paper."""
        first, second = (whole_batch(self.projector(each).float()) for each in features[:2])
        loss: Tensor = self.criterion(first, second)
        return loss
