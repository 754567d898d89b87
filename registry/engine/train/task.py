"""What a trainer builds: the computation of one kind of learning. The loop does the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

#: A batch on the device: ``image`` (B, C, H, W) normalised float, ``index`` (B,), ``name``, and the targets
#: ``mask`` (B, H, W) int64 or ``label`` int64, (B,) or flags (B, classes). A training batch of a task with ``views``
#: holds ``views`` in place of ``image``: a list of (B, C, H, W), one for each. An evaluation batch holds ``split``,
#: where it comes from.
Batch = Mapping[str, Any]


class EvaluationSamples(Protocol):
    """What a task may ask of a run for its pictures; a ``Run`` offers it."""

    @property
    def val(self) -> Sized | None:
        """The evaluation split; None where there is none."""

    def evaluation_sample(self, index: int) -> dict[str, Any]:
        """A sample of the evaluation split after the evaluation augmentations, uint8."""

    def predict(self, samples: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """The model's logits for samples, one by one, as float32 on the CPU."""


class Task(nn.Module):
    """One kind of learning, as a module: its state dict is what a checkpoint keeps.

    ``forward(batch)`` computes the training loss, so that precision, gradient synchronisation and compilation wrap the
    whole of it. Losses and scores belong to the task; epochs, steps, files and the terminal belong to the loop.
    """

    #: Name of the score that chooses the best checkpoint, and whether more of it is better.
    monitor: str = "loss"
    higher_is_better: bool = False
    #: The module that predicts; what ``predict`` and reports use.
    model: nn.Module
    #: Whether ``model`` gives a logit for each class; False for one that gives features.
    predicts_classes: bool = True
    #: The probability from which ``predict`` gives an image a class, where it may have several, each with a sigmoid of
    #: its own; None where it has one.
    threshold: float | None = None
    #: Augmentations of which each makes a view of its own of every training image; None for one augmented image.
    views: Sequence[Any] | None = None
    #: The splits that an evaluation walks over in turn, without the training's augmentations.
    evaluation_splits: tuple[str, ...] = ("val",)
    #: Whether all that learns gets ``encode(batch)``, which never changes: batches then hold ``feature`` (B, D) in
    #: place of images, and every image is read once.
    encodes_once: bool = False
    #: Whether the run exports its backbone at its end, as ``backbone.safetensors``.
    pretrains: bool = False
    #: Whether the network is evaluated before the first step, too, to report what is gained; the metrics files then
    #: hold ``start/<monitor>``.
    measures_start: bool = False
    #: A data set to evaluate on, where it is another than the run's.
    evaluation_data: Any | None = None

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Figures of a training batch, each a scalar: ``loss`` is minimised, all are logged as an epoch's means."""

    def encode(self, batch: Batch) -> Tensor:
        """The features (B, D) of a batch's images, of a task that ``encodes_once``."""
        raise NotImplementedError

    def weight(self, batch: Batch) -> float:
        """What the loss of a batch is a mean over: its images, if not its labels that count; read on the CPU."""
        return len(batch["name"])

    def after_step(self, step: int, total_steps: int) -> None:
        """Called after each optimizer step (1-based), for what follows the weights: an EMA, a target network."""

    def begin_evaluation(self) -> None:
        """Forget the scores of the last evaluation."""

    def evaluate(self, batch: Batch) -> None:
        """Take an evaluation batch into the scores; runs under ``inference_mode`` and the run's precision."""

    def scores(self) -> dict[str, float]:
        """The scores over all batches since ``begin_evaluation``."""
        return {}

    def notes(self) -> list[str]:
        """Caveats of the last evaluation, in sentences; none when all is well."""
        return []

    def probability_counts(self) -> np.ndarray | None:
        """Counts of the last evaluation, (classes, 2, bins): of each class how many probabilities fall into equal bins
        of 0..1, where it is not true and where it is; None by default. Every process calls it."""
        return None

    def card(self) -> dict[str, Any]:
        """What the card of an exported backbone holds besides the recipe and the scores."""
        return {}

    def is_better(self, score: float, other: float) -> bool:
        """Whether a value of the monitored score is better than another."""
        return score > other if self.higher_is_better else score < other

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer is given: every parameter that learns, in one group."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def pictures(self, run: EvaluationSamples, number: int) -> list[np.ndarray]:
        """Pictures of what the model predicts for the first evaluation samples, uint8 (H, W, 3); none by default."""
        return []


def learns(task: nn.Module) -> bool:
    """Whether there is anything to learn; a task without is evaluated only."""
    return any(parameter.requires_grad for parameter in task.parameters())


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a module holds a batch normalisation, which cannot learn from a single value per channel."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


def seed_everything(seed: int) -> None:
    """Seed torch's generators on every device, Python's and NumPy's."""
    import random

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
