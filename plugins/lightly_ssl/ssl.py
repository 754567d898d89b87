"""What self-supervised methods share: views, a backbone that is handed on, kNN, a watch for collapse."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError
from registry.engine import Batch, Task, concatenated, process_count, sum_over_processes

from .neighbours import NeighbourVote

#: Spread of the normalised features below which a run counts as collapsed; random features have about 1.
COLLAPSED = 0.1


@dataclass(frozen=True)
class Common:
    """What every method is given.

    Attributes:
        backbone: keeps the backbone contract.
        views: one augmentation a view.
        probe: a labelled data set to evaluate on, where it is another than the run's.
        labelled: whether the data that are evaluated on have labels.
        knn_k, knn_temperature: of the kNN score.
    """

    backbone: nn.Module
    views: Sequence[Any]
    probe: Any | None
    labelled: bool
    knn_k: int
    knn_temperature: float


class Embedding(nn.Module):
    """A backbone with global average pooling of its last map: (B, C, H, W) -> (B, D)."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.dim = int(backbone.channels[-1])  # type: ignore[index, arg-type]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, D)."""
        return self.backbone(x)[-1].mean(dim=(2, 3))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """As ``features``."""
        return self.features(x)


class SelfSupervised(Task):
    """Learning from views of images without labels.

    Each epoch's ``train_spread`` measures how far the normalised features spread over the sphere: 1 for random
    features, 0 when all images give the same. A run that collapses gets a caveat. Features may also collapse onto a
    few directions while they still spread: each evaluation's ``rank`` is the number of directions they use.
    """

    evaluation_splits = ("train", "val")
    pretrains = True
    predicts_classes = False
    higher_is_better = True

    def __init__(self, common: Common, least_views: int = 2) -> None:
        super().__init__()
        if len(common.views) < least_views:
            raise InputError.of("views", f"has {len(common.views)} views, and {least_views} are needed")
        self.model = Embedding(common.backbone)
        self.views = list(common.views)
        self.evaluation_data = common.probe
        self.monitor = "knn" if common.labelled else "spread"
        self.measures_start = common.labelled
        self.vote = NeighbourVote(common.knn_k, common.knn_temperature)
        self._lowest = math.inf
        self._seen: list[Tensor] = []

    @property
    def dim(self) -> int:
        """Width of the backbone's features."""
        return self.model.dim  # type: ignore[no-any-return, return-value]

    @abstractmethod
    def loss_of(self, features: list[Tensor], views: list[Tensor]) -> Tensor:
        """The loss of a batch.

        Args:
            features: (B, D) of each view, from the backbone.
            views: (B, C, H, W) each.
        """

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The method's loss, and the spread of the first view's features."""
        views = batch["views"]
        features = [self.model(view) for view in views]
        return {"loss": self.loss_of(features, views), "spread": spread_of_batch(features[0].detach().float())}

    # --- evaluation -----------------------------------------------------------------------------

    def begin_evaluation(self) -> None:
        self.vote.clear()
        self._seen = []

    def evaluate(self, batch: Batch) -> None:
        features = self.model(batch["image"]).detach().float()
        if batch["split"] == "val":
            self._seen.append(features)
        if "label" in batch:
            (self.vote.remember if batch["split"] == "train" else self.vote.ask)(features, batch["label"])

    def scores(self) -> dict[str, float]:
        """``spread`` and ``rank`` over the val split, and the accuracy of a weighted kNN vote if there are labels."""
        shape = shape_of(concatenated(self._seen))
        self._lowest = shape["spread"]
        accuracy = self.vote.accuracy()
        return shape if accuracy is None else {"knn": accuracy, **shape}

    def notes(self) -> list[str]:
        if self._lowest > COLLAPSED:
            return []
        return [f"the features have collapsed: their spread is below {COLLAPSED} (1 is that of random features)"]

    def card(self) -> dict[str, Any]:
        return {"method": type(self).__name__, "knn_k": self.vote.k, "knn_temperature": self.vote.temperature}


def spread(features: Tensor) -> Tensor:
    """Standard deviation of L2-normalised features (B, D), a mean over dimensions, times sqrt(D) (Chen and He, 2021).

    About 1 for features that lie on the sphere as random ones do, 0 for a single point.
    """
    normalized = F.normalize(features, dim=1)
    return normalized.std(dim=0, unbiased=False).mean() * math.sqrt(features.shape[1])


def spread_of_batch(features: Tensor) -> Tensor:
    """The ``spread`` of a training batch's features (B, D), of all processes together."""
    if process_count() == 1:
        return spread(features)
    normalized = F.normalize(features, dim=1)
    count = torch.full_like(normalized[0], len(normalized))
    first, second, count = sum_over_processes(torch.stack([normalized.sum(0), normalized.square().sum(0), count]))
    variance: Tensor = second / count - (first / count).square()
    return variance.clamp_min(0).sqrt().mean() * math.sqrt(features.shape[1])


def shape_of(features: Tensor) -> dict[str, float]:
    """The scores ``spread`` and ``rank`` of features (B, D)."""
    return {"spread": float(spread(features)), "rank": effective_rank(features)}


def effective_rank(features: Tensor) -> float:
    """Over how many directions the variance of features (B, D) is shared out, 1 .. min(B, D).

    The exponential of the entropy of the shares that the principal components have in it (the effective rank of Roy and
    Vetterli, 2007, of the covariance). NaN where a feature is not finite.
    """
    if not features.isfinite().all():  # a diverged network: the decomposition would fail
        return math.nan
    features = features.double().cpu()
    centred = features - features.mean(0)
    # Of a matrix and its transpose the smaller product is taken: both have the same eigenvalues above 0.
    product = centred.T @ centred if len(centred) > centred.shape[1] else centred @ centred.T
    variances = torch.linalg.eigvalsh(product).clamp_min(0)
    if variances.sum() <= 1e-12 * features.square().sum():  # one point, up to rounding
        return 1.0
    return float(torch.special.entr(variances / variances.sum()).sum().exp())
