"""SimSiam (Chen and He, 2021)."""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor

from .ssl import Common, SelfSupervised


class SimSiam(SelfSupervised):
    """Each view predicts the other's projection, through which no gradient flows; see the spec ``simsiam``."""

    def __init__(self, common: Common, hidden_dim: int, output_dim: int) -> None:
        super().__init__(common)
        self.projector = SimSiamProjectionHead(self.dim, output_dim, output_dim)
        self.predictor = SimSiamPredictionHead(output_dim, hidden_dim, output_dim)
        self.criterion = NegativeCosineSimilarity()

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """The mean over both directions, as equation 2 of the paper."""
        first, second = (self.projector(each) for each in features[:2])
        predicted_first, predicted_second = self.predictor(first).float(), self.predictor(second).float()
        one = self.criterion(predicted_first, second.detach().float())
        other = self.criterion(predicted_second, first.detach().float())
        return (one + other) / 2  # type: ignore[no-any-return]
