"""What each image of an evaluation contributes: counts and figures, kept on the device until the end."""

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
from .worst import Example


@dataclass
class Collected:
    """Counts and figures of the images, kept on the device until the end.

    Args:
        classes: None where the data have none.
    """

    classes: Classes | None
    names: list[str] = field(default_factory=list)
    _kind: Literal["masks", "labels"] | None = None
    _total: Tensor | None = None
    _columns: list[Tensor] = field(default_factory=list)

    def add(self, batch: Mapping[str, Any], outputs: Sequence[Any]) -> None:
        """Take a batch in, if the model's last output are logits of its targets."""
        kind: Literal["masks", "labels"] = "masks" if "mask" in batch else "labels"
        target = batch.get("mask", batch.get("label"))
        logits = outputs[-1] if outputs else None
        if self.classes is None or target is None or not isinstance(logits, Tensor):
            return
        if logits.dim() != target.dim() + 1 or logits.shape[1] > len(self.classes) or len(logits) != len(target):
            return
        self._kind = kind
        self.names += batch["name"]
        if kind == "masks":
            self._add_masks(logits.float(), target)
        else:
            self._add_labels(logits.float(), target)

    def _add_masks(self, logits: Tensor, target: Tensor) -> None:
        assert self.classes is not None
        images, labels = len(target), len(self.classes)
        predicted = logits.max(1).indices
        # An ignored label that is no class is the last of the labels.
        truth = target if self.classes.ignored is None else target.where(target < labels, self.classes.ignored)
        which = torch.arange(images, device=target.device).view(-1, 1, 1)
        cells = ((which * labels + truth) * labels + predicted).flatten()
        counts = torch.bincount(cells, minlength=images * labels * labels).view(images, labels, labels)
        self._keep(counts.sum(0), _own_figures(counts, self.classes.ignored))

    def _add_labels(self, logits: Tensor, target: Tensor) -> None:
        assert self.classes is not None
        labels = len(self.classes)
        probabilities = logits.softmax(1)
        best = probabilities.max(1)
        counts = torch.bincount(target * labels + best.indices, minlength=labels * labels).view(labels, labels)
        own = probabilities.gather(1, target[:, None])[:, 0]
        self._keep(counts, torch.stack([target.float(), best.indices.float(), best.values, own], 1))

    def _keep(self, counts: Tensor, figures: Tensor) -> None:
        self._total = counts if self._total is None else self._total + counts
        self._columns.append(figures)

    def finish(self) -> Found | None:
        """What was collected; None where there was nothing."""
        if self.classes is None or self._total is None or self._kind is None:
            return None
        confusion = Confusion(self._total.cpu().numpy().astype(np.int64), self.classes)
        return Found(self._kind, self.names, confusion, torch.cat(self._columns).double().cpu().numpy())


def _own_figures(counts: Tensor, ignored: int | None) -> Tensor:
    """Own mean IoU and pixel accuracy of each image, (B, 2), from counts (B, K, K); see ``confusion.image_ious``."""
    known = counts.clone()
    if ignored is not None:
        known[:, ignored] = 0
    both, truth, predicted = known.diagonal(dim1=1, dim2=2), known.sum(2), known.sum(1)
    held = truth > 0
    ious = (both / (truth + predicted - both).clamp(min=1)).where(held, 0.0).sum(1) / held.sum(1)
    return torch.stack([ious, both.sum(1) / truth.sum(1)], 1)


@dataclass(frozen=True)
class Found:
    """What was collected of all images, on the CPU.

    Attributes:
        kind: ``masks`` or ``labels``.
        names: of the N images.
        confusion: of pixels or images.
        figures: (N, 2) own IoU and pixel accuracy, or (N, 4) truth, prediction, its probability, the truth's.
    """

    kind: Literal["masks", "labels"]
    names: list[str]
    confusion: Confusion
    figures: np.ndarray

    def scores(self) -> dict[str, Any]:
        """What follows from the confusion matrix."""
        return dict(self.confusion.mask_scores() if self.kind == "masks" else self.confusion.label_scores())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The images' figures, for a table."""
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
        """The images with the lowest own IoU, or the lowest probability of the truth."""
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
            truth = np.where(truth < len(classes), truth, classes.ignored)
        predicted = saved.logits([sample["image"]])[0].max(0).indices.cpu().numpy()
        caption = f"own IoU {self.figures[at, 0]:.3f}"
        return Example(name, caption, image, truth.astype(np.uint8), predicted.astype(np.uint8)).thin()
