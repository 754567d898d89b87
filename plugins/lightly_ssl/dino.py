"""DINO (Caron et al., 2021)."""

from __future__ import annotations

import torch
from lightly.loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from registry.engine import sum_over_processes

from .momentum import Buffers, Follower, cosine_momentum
from .ssl import Common, SelfSupervised


class Loss(DINOLoss):  # type: ignore[misc] # lightly has no types
    """Lightly's, with a centre over the images of all processes, also where the shares of a batch differ by one."""

    @torch.no_grad()
    def update_center(self, teacher_out: Tensor) -> None:
        """Move the centre towards the mean of (views, B, D)."""
        count = torch.full_like(teacher_out[0, 0, :1], teacher_out[..., 0].numel())
        total = sum_over_processes(torch.cat([teacher_out.sum((0, 1)), count]))
        self.center.lerp_(total[:-1] / total[-1], 1 - self.center_momentum)


class DINO(SelfSupervised):
    """A student predicts the output that a momentum teacher gives another view; see the spec ``dino``.

    The first two views are global ones, which the teacher sees as well; further ones are for the student alone.
    """

    def __init__(
        self,
        common: Common,
        hidden_dim: int,
        bottleneck_dim: int,
        output_dim: int,
        student_temperature: float,
        teacher_temperature: float,
        momentum: float,
        target_buffers: Buffers,
    ) -> None:
        super().__init__(common)
        self.projector = DINOProjectionHead(self.dim, hidden_dim, bottleneck_dim, output_dim, batch_norm=True)
        # Lightly's last layer holds a computed weight, which cannot be copied; this one is the same, and can.
        last = weight_norm(nn.Linear(bottleneck_dim, output_dim, bias=False))
        magnitude = last.parametrizations.weight.original0  # type: ignore[union-attr, index]
        magnitude.data.fill_(1)
        self.projector.last_layer = last
        self.teacher = Follower(nn.Sequential(self.model, self.projector), target_buffers)
        magnitude.requires_grad_(False)
        self.criterion = Loss(
            output_dim,
            warmup_teacher_temp=teacher_temperature,
            teacher_temp=teacher_temperature,
            student_temp=student_temperature,
        )
        self.base_momentum = momentum

    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """Cross-entropy between teacher and student over all pairs of different views."""
        student = [self.projector(each).float() for each in features]
        teacher = [self.teacher(view).float() for view in views[:2]]
        loss: Tensor = self.criterion(teacher, student)
        return loss

    def after_step(self, step: int, total_steps: int) -> None:
        online = nn.Sequential(self.model, self.projector)
        self.teacher.follow(online, cosine_momentum(self.base_momentum, step, total_steps))
