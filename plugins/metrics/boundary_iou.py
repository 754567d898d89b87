"""Boundary IoU: how well the contours of regions agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from registry.engine import Classes, ConfusionMetric, count_images

from .miou import require_masks


class BoundaryIoU(ConfusionMetric):
    """IoU of the boundary bands of each class, and their mean, over all images pooled (Cheng et al., 2021, section 4).

    The band of a class is what an erosion of its region takes away: its pixels from which at most d steps, straight or
    diagonal, lead out of the region or of the image, where d is a share of the image's diagonal. Ignored pixels are
    taken out of truth and prediction alike, and make no contour. A class without a band in both has no score and is
    left out of the mean.

    Args:
        num_classes: classes of the model.
        class_names: names for the classes' own scores; their numbers when None.
        ignore_index: the label that is not to be learned.
        dilation_ratio: d divided by the image's diagonal; d is at least one pixel.
        left_out: names of the classes left out of the mean; when None, the one of `ignore_index`.

    Raises:
        InputError: see ``Classes.of``.
    """

    headline = "boundary_iou"

    def __init__(
        self,
        num_classes: int,
        class_names: Sequence[str] | None,
        ignore_index: int | None,
        dilation_ratio: float = 0.02,
        left_out: Sequence[str] | None = None,
    ) -> None:
        names = list(class_names or map(str, range(num_classes)))
        left = Classes.of(names, None, ignore_index, left_out=left_out).left_out
        # What lies in no band is one more label, of truth and of prediction.
        names.append("in no band")
        super().__init__(replace(Classes.of(names), left_out=left | {num_classes}))
        self.ignore_index, self.num_classes = ignore_index, num_classes
        self.dilation_ratio = dilation_ratio

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), target (B, H, W)."""
        require_masks(target, self.headline)
        known = torch.ones_like(target, dtype=torch.bool) if self.ignore_index is None else target != self.ignore_index
        width = max(1, round(self.dilation_ratio * math.hypot(*target.shape[-2:])))
        truth, predicted = (self._band(labels, known, width) for labels in (target, logits.max(1).indices))
        self.counts += count_images(predicted, truth, self.classes).sum(0)

    def compute(self) -> dict[str, float]:
        """``boundary_iou`` and ``boundary_iou/<class>``."""
        ious = self.confusion.of_classes("iou")
        mean = self.confusion.mean("iou") or 0.0
        return {"boundary_iou": mean, **{f"boundary_iou/{name}": value for name, value in ious.items()}}

    def notes(self) -> list[str]:
        """How the classes of the mean are counted that no evaluation pixel belongs to."""
        return self.confusion.notes("pixel")

    def _band(self, labels: Tensor, known: Tensor, width: int) -> Tensor:
        """The labels (B, H, W) inside the bands, `num_classes` elsewhere."""
        # A pixel of class c lies in c's band exactly if not all labels around it are c, so that the greatest and the
        # least label around a pixel give the bands of all classes at once. Outside the image lies another class.
        outside = self.num_classes
        greatest = _greatest_around(labels.where(known, -1), width, outside)
        least = -_greatest_around((-labels).where(known, -outside), width, 1)
        inside = known & ((greatest != labels) | (least != labels))
        return labels.where(inside, outside)


def _greatest_around(labels: Tensor, width: int, outside: int) -> Tensor:
    """The greatest of the (2 width + 1)^2 labels around each pixel of (B, H, W); `outside` beyond the border."""
    values = F.pad(labels[:, None].float(), (width,) * 4, value=outside)
    side = 2 * width + 1
    return F.max_pool2d(F.max_pool2d(values, (side, 1), 1), (1, side), 1)[:, 0].long()
