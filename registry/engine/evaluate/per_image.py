"""What each image of an evaluation contributes: its part of the confusion matrix, and its own scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..data.classes import Classes
from ..data.loader import Augmented, checked
from ..train.saved_run import SavedRun
from .confusion import Confusion
from .figures import Example
from .metrics import count_images


@dataclass
class Collected:
    """Confusion matrix and scores of the images of a split.

    Args:
        classes: the labels of the truth.
        outputs: the model's logits of an image: one for each class.
    """

    classes: Classes
    outputs: int
    names: list[str] = field(default_factory=list)
    kind: Literal["masks", "labels"] = "masks"
    _counts: np.ndarray | int = 0
    _rows: list[np.ndarray] = field(default_factory=list)

    def add(self, batch: Mapping[str, Any], outputs: Sequence[Any]) -> None:
        """Take a batch in, if the model's last output are logits of its targets."""
        self.kind = "masks" if "mask" in batch else "labels"
        target = batch.get("mask", batch.get("label"))
        logits = outputs[-1] if outputs else None
        if target is None or not isinstance(logits, Tensor):
            return
        if logits.dim() != target.dim() + 1 or logits.shape[1] != self.outputs or len(logits) != len(target):
            return
        self.names += batch["name"]
        logits = logits.float()
        counts = count_images(logits.max(1).indices, target, self.classes).cpu().numpy()
        self._counts = self._counts + counts.sum(0)
        if self.kind == "masks":
            images = [Confusion(each, self.classes) for each in counts]
            accuracies = [np.nan if image.accuracy is None else image.accuracy for image in images]
            self._rows.append(np.array([[image.image_iou for image in images], accuracies]).T)
        else:
            probabilities = logits.softmax(1)
            best = probabilities.max(1)
            known = target.clamp(0, self.outputs - 1)
            own = probabilities.gather(1, known[:, None])[:, 0].where(known == target, torch.nan)
            rows = torch.stack([target.float(), best.indices.float(), best.values, own], 1)
            self._rows.append(rows.double().cpu().numpy())

    def finish(self) -> Found | None:
        """What was collected; None where there was nothing."""
        if not self.names:
            return None
        return Found(
            self.kind, self.names, Confusion(np.asarray(self._counts), self.classes), np.concatenate(self._rows)
        )


@dataclass(frozen=True)
class Found:
    """What was collected of all images, on the CPU.

    Attributes:
        kind: ``masks`` or ``labels``.
        names: of the N images.
        confusion: of pixels or images.
        figures: (N, 2) IoU and pixel accuracy of each image, or (N, 4) truth, prediction, its probability, the truth's.
    """

    kind: Literal["masks", "labels"]
    names: list[str]
    confusion: Confusion
    figures: np.ndarray

    def scores(self) -> dict[str, Any]:
        """The scores of all images together."""
        return dict(self.confusion.mask_scores() if self.kind == "masks" else self.confusion.label_scores())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The images' scores, for a table."""
        if self.kind == "masks":
            return [
                {"name": name, "miou": own, "pixel_accuracy": right}
                for name, (own, right) in zip(self.names, self.figures.tolist(), strict=True)
            ]
        classes = self.confusion.classes.names
        return [
            {
                "name": name,
                "truth": classes[int(truth)],
                "prediction": classes[int(predicted)],
                "right": int(truth == predicted),
                "probability": probability,
                "probability_of_truth": own,
            }
            for name, (truth, predicted, probability, own) in zip(self.names, self.figures.tolist(), strict=True)
        ]

    def worst(self, saved: SavedRun, split: Augmented, most: int) -> list[Example]:
        """The images with the lowest IoU, or the lowest probability of the truth."""
        score = self.figures[:, 0 if self.kind == "masks" else 3]
        order = [int(at) for at in np.argsort(score, kind="stable") if np.isfinite(score[at])][:most]
        return [self._example(saved, split, at) for at in order]

    def _example(self, saved: SavedRun, split: Augmented, at: int) -> Example:
        sample = checked(split[0, at])
        name, image = str(sample["name"]), sample["image"]
        image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3]
        if self.kind == "labels":
            truth, predicted, probability, _ = self.figures[at]
            names = self.confusion.classes.names
            caption = f"{names[int(truth)]} →\n{names[int(predicted)]} {probability:.2f}"
            return Example(name, caption, image).thin()
        truth = np.asarray(sample["mask"])
        classes = self.confusion.classes
        if classes.ignored is not None:
            truth = np.where(truth == classes.ignore_index, classes.ignored, truth)
        predicted = saved.logits([sample["image"]])[0].max(0).indices.cpu().numpy()
        caption = f"IoU {self.figures[at, 0]:.3f}"
        return Example(name, caption, image, truth.astype(np.uint8), predicted.astype(np.uint8)).thin()
