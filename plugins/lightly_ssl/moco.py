"""MoCo v2 (He et al., 2020; Chen et al., 2020)."""

from __future__ import annotations

from typing import Any

from lightly.loss import NTXentLoss
from lightly.models.modules.heads import MoCoProjectionHead
from torch import Tensor, nn

from .momentum import Buffers, Follower
from .ssl import Common, SelfSupervised
from .whole_batch import whole_batch


class MoCo(SelfSupervised):
    """A view finds its key, made by a slowly following encoder, among a queue of others; see the spec ``moco``."""

    def __init__(
        self,
        common: Common,
        hidden_dim: int,
        output_dim: int,
        temperature: float,
        queue: int,
        momentum: float,
        target_buffers: Buffers,
    ) -> None:
        super().__init__(common)
        self.projector = MoCoProjectionHead(self.dim, hidden_dim, output_dim)
        self.keys = Follower(nn.Sequential(self.model, self.projector), target_buffers)
        self.criterion = NTXentLoss(temperature, memory_bank_size=(queue, output_dim))
        self.momentum = momentum

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """InfoNCE, equation 1 of the paper, with the first view as the query."""
        query, key = self.projector(features[0]).float(), self.keys(views[1]).float()
        loss: Tensor = self.criterion(whole_batch(query), whole_batch(key))
        return loss

    def after_step(self, step: int, total_steps: int) -> None:
        self.keys.follow(nn.Sequential(self.model, self.projector), self.momentum)

    def get_extra_state(self) -> dict[str, Any]:
        """The queue, which Lightly leaves out of the state dict: without it a resumed run would be another one."""
        bank = self.criterion.memory_bank
        return {"bank": bank.bank, "position": bank.bank_ptr}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Put the queue back."""
        bank = self.criterion.memory_bank
        bank.bank, bank.bank_ptr = (state[name].to(bank.bank.device) for name in ("bank", "position"))
