"""Specs of the evaluations of a pretrained backbone: a linear probe and a kNN vote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry import Backbone, Count, FromData, Loss, Metric, Positive

if TYPE_CHECKING:
    from registry.engine import Task

_ACCURACY = ["accuracy"]


def linear_probe(
    *,
    backbone: Backbone,
    loss: Loss = "cross_entropy",
    metrics: list[Metric] = _ACCURACY,
    num_classes: FromData[int],
) -> Task:
    """A linear layer on the features of a backbone that stays frozen, statistics included.

    Every image passes through the backbone once, with the evaluation augmentations; the layer learns on the features.

    Args:
        backbone: what is judged; give it `weights`.
        loss: of logits and labels.
        metrics: scores over the evaluation images.
        num_classes: number of classes.
    """
    from .probes import LinearProbe

    return LinearProbe(backbone, num_classes, loss, metrics)


def knn(*, backbone: Backbone, k: Count = 20, temperature: Positive = 0.07) -> Task:
    """The worth of a backbone without any training: a weighted vote of the nearest training images (Wu et al., 2018).

    Args:
        backbone: what is judged; give it `weights`.
        k: neighbours that vote.
        temperature: of the vote; a low one lets the nearest decide.
    """
    from .probes import NearestNeighbours

    return NearestNeighbours(backbone, k, temperature)
