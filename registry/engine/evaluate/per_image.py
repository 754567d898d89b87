"""What each image contributes to an evaluation: its part of the confusion matrix, and a row of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from ..data.classes import Classes
from .confusion import Confusion


@dataclass
class Tally:
    """The evaluated images, whoever predicted them: a run, or files.

    Args:
        classes: K labels of the truth.
        kind: of the predictions.

    Attributes:
        counts: (K, K) pixels of masks, or images with labels; rows the truth, columns the prediction. Where an image
            may have several classes, those of ``SeveralConfusion``.
        rows: of each image, for a table: its name, and IoU and accuracy of its pixels, or truth and prediction.
        quality: of each prediction; the lowest are the worst. NaN for an image that is not to be shown.
    """

    classes: Classes
    kind: Literal["masks", "labels", "multilabel"] = "masks"
    counts: np.ndarray = field(init=False)
    rows: list[dict[str, Any]] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros((len(self.classes), len(self.classes)), np.int64)

    def add_mask(self, name: str, image: Confusion) -> None:
        """Add an image by its own confusion matrix."""
        self.counts += image.counts
        self.rows.append({"name": name, "miou": image.image_iou, "pixel_accuracy": image.accuracy})
        self.quality.append(image.image_iou)

    def add_label(self, name: str, truth: int, predicted: int, quality: float, **probabilities: float | None) -> None:
        """Add an image by the indices of its classes; probabilities are columns of the table."""
        names = self.classes.names
        self.counts[truth, predicted] += 1
        row = {"name": name, "truth": names[truth], "prediction": names[predicted], "right": int(truth == predicted)}
        self.rows.append({**row, **probabilities})
        self.quality.append(quality)

    @property
    def confusion(self) -> Confusion:
        """Of all images together."""
        return Confusion(self.counts, self.classes)

    @property
    def unit(self) -> str:
        """What the confusion matrix counts, in the singular."""
        return "pixel" if self.kind == "masks" else "image"

    def scores(self) -> dict[str, float | None]:
        """The scores of all images together."""
        return self.confusion.mask_scores() if self.kind == "masks" else self.confusion.label_scores()

    def worst(self, most: int) -> list[int]:
        """The positions of the worst images, the worst first."""
        order = np.argsort(self.quality, kind="stable")
        return [int(at) for at in order if np.isfinite(self.quality[at])][:most]

    def caption(self, at: int) -> str:
        """What a figure says about an image: its IoU, or its truth, prediction and probability."""
        row: Mapping[str, Any] = self.rows[at]
        if self.kind == "masks":
            return f"IoU {row['miou']:.3f}"
        share = "" if row["probability"] is None else f", {row['probability']:.2f}"
        return f"{'✓' if self.right(at) else '✗'} {row['truth']} →\n{row['prediction']}{share}"

    #: What the captions of images hold.
    captions: ClassVar[str] = "truth → prediction, its probability"

    def right(self, at: int) -> bool | None:
        """Whether an image's class was predicted; None of an image with masks."""
        return None if self.kind == "masks" else bool(self.rows[at]["truth"] == self.rows[at]["prediction"])
