"""BYOL (Grill et al., 2020)."""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor, nn

from .momentum import Buffers, Follower, cosine_momentum
from .ssl import Common, SelfSupervised


class BYOL(SelfSupervised):
    """Each view predicts what a slowly following target makes of the other; see the spec ``byol``."""

    def __init__(
        self, common: Common, hidden_dim: int, output_dim: int, momentum: float, target_buffers: Buffers
    ) -> None:
        super().__init__(common)
        self.projector = BYOLProjectionHead(self.dim, hidden_dim, output_dim)
        self.predictor = BYOLPredictionHead(output_dim, hidden_dim, output_dim)
        self.target = Follower(self._online(), target_buffers)
        self.criterion = NegativeCosineSimilarity()
        self.base_momentum = momentum

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.model, self.projector)

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """The sum over both directions, not their mean: halving it would halve the learning rate of every layer."""
        first, second = (self.predictor(self.projector(each)).float() for each in features[:2])
        target_first, target_second = (self.target(view).float() for view in views[:2])
        loss: Tensor = self.criterion(first, target_second) + self.criterion(second, target_first)
        return loss

    def after_step(self, step: int, total_steps: int) -> None:
        self.target.follow(self._online(), cosine_momentum(self.base_momentum, step, total_steps))
