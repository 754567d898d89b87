"""Knowledge distillation: a student learns from targets and from a teacher's softened predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError
from registry.engine import Batch, normalization_of

from .segmentation import Segmentation
from .supervised import Supervised


class Distillation(Supervised):
    """Classification with a teacher (Hinton et al., 2015); see the spec ``distillation``.

    The teacher does not learn, gets the images normalised as its own weights expect, or as the run's data are where
    these have statistics of their own, and is not part of checkpoints.
    """

    target = "label"

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        metrics: Sequence[Any],
        teacher: nn.Module,
        temperature: float,
        teacher_weight: float,
        ignore_index: int | None = None,
        own_statistics: bool = False,
    ) -> None:
        super().__init__(model, loss, metrics)
        self.temperature, self.teacher_weight, self.ignore_index = temperature, teacher_weight, ignore_index
        self._unregistered = [teacher.requires_grad_(False).eval()]  # in a list, so that no checkpoint holds it
        self._statistics = [
            torch.tensor(values).view(1, -1, 1, 1)
            for network in (() if own_statistics else (model, teacher))
            for values in normalization_of(network)
        ]

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Moves the teacher along, from device to device."""
        self._unregistered[0]._apply(fn)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted sum of both losses, and each of them."""
        self._check_target(batch)
        target, logits = batch[self.target], self.model(batch["image"])
        self._check_logits(logits, batch)
        logits = logits.float()
        hard = self.criterion(logits, target)
        soft = soft_loss(logits, self._taught(batch["image"], logits), self.temperature)
        if self.ignore_index is not None:
            soft = soft[target != self.ignore_index]
        soft = soft.sum() / max(soft.numel(), 1)
        loss = (1 - self.teacher_weight) * hard + self.teacher_weight * soft
        return {"loss": loss, "hard_loss": hard, "soft_loss": soft}

    @torch.no_grad()
    def _taught(self, images: Tensor, logits: Tensor) -> Tensor:
        """The teacher's logits."""
        if self._statistics:
            mean, std, own_mean, own_std = (each.to(images.device) for each in self._statistics)
            images = (images * std + mean - own_mean) / own_std
        taught: Tensor = self._unregistered[0](images).float()
        if taught.shape != logits.shape:
            message = f"gives logits of shape {tuple(taught.shape)}, and the model {tuple(logits.shape)}"
            raise InputError.of("teacher", message, "expected a teacher of the same classes, and outputs of one size")
        return taught


class SegmentationDistillation(Distillation):
    """The same for every pixel; see the spec ``segmentation_distillation``."""

    target = "mask"

    def __init__(self, *arguments: Any, class_colors: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.class_colors, self.class_names = class_colors, list[str]()

    pictures = Segmentation.pictures  # type: ignore[assignment]  # it needs no more than the class colours


def soft_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of the distributions at temperature T: (B, classes, ...) logits -> (B, ...).

    The square keeps the gradients of about the same size whatever the temperature.
    """
    student, teacher = (F.log_softmax(each / temperature, 1) for each in (logits, taught))
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(1) * temperature**2
