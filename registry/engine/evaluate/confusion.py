"""Scores out of a confusion matrix: what is counted, and what follows from the counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.classes import Classes


def count(truth: NDArray[Any], predicted: NDArray[Any], labels: int) -> NDArray[np.int64]:
    """How often each pair occurs: (labels, labels), rows the truth, columns the prediction.

    Args:
        truth, predicted: of one shape, values 0..labels - 1.
        labels: how many there are.
    """
    cells = truth.astype(np.int64).ravel() * labels + predicted.ravel()
    return np.bincount(cells, minlength=labels * labels).reshape(labels, labels)


def image_ious(counts: NDArray[np.int64], ignored: int | None) -> NDArray[np.float64]:
    """Each image's own mean IoU, over the classes that its truth holds; ignored pixels are left out.

    Args:
        counts: (N, K, K), as from ``count``.
        ignored: the ignored label.

    Returns:
        (N,); NaN for an image whose truth is ignored everywhere.
    """
    known = counts.copy()
    if ignored is not None:
        known[:, ignored] = 0
    both, truth, predicted = np.einsum("nkk->nk", known), known.sum(2), known.sum(1)
    held = truth > 0
    ious = np.divide(both, truth + predicted - both, out=np.zeros(both.shape), where=held)
    number = held.sum(1)
    return np.asarray(np.divide(ious.sum(1), number, out=np.full(len(counts), np.nan), where=number > 0))


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix and the scores that follow from it.

    Attributes:
        counts: (K, K), rows the truth, columns the prediction: pixels or images.
        classes: the K labels.
    """

    counts: NDArray[np.int64]
    classes: Classes

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """The counts without those whose truth is ignored."""
        known = self.counts.copy()
        if self.classes.ignored is not None:
            known[self.classes.ignored] = 0
        return known

    @property
    def counted(self) -> NDArray[np.int64]:
        """What the figures of the classes go by."""
        return self.counts if self.classes.count_against else self.known

    def by_class(self) -> dict[str, dict[str, Any]]:
        """Figures of every label by its name.

        With P the prediction and G the truth: ``iou`` |P=c and G=c| / (|P=c| + |G=c| - |P=c and G=c|), ``dice`` (F1)
        2 |P=c and G=c| / (|P=c| + |G=c|), ``precision`` |P=c and G=c| / |P=c|, ``recall`` |P=c and G=c| / |G=c|;
        None for 0/0. ``truth`` and ``predicted`` are counts; ``in_mean`` says whether it counts in means.
        """
        counted = self.counted
        both, truth, predicted = counted.diagonal().tolist(), counted.sum(1).tolist(), counted.sum(0).tolist()
        return {
            name: {
                "iou": _ratio(both[c], truth[c] + predicted[c] - both[c]),
                "dice": _ratio(2 * both[c], truth[c] + predicted[c]),
                "precision": _ratio(both[c], predicted[c]),
                "recall": _ratio(both[c], truth[c]),
                "truth": truth[c],
                "predicted": predicted[c],
                "in_mean": c not in self.classes.left_out,
            }
            for c, name in enumerate(self.classes.names)
        }

    def mask_scores(self) -> dict[str, float | None]:
        """``miou``, ``dice``, ``pixel_accuracy`` of the pixels that are not ignored, and ``balanced_accuracy``.

        Means are over the classes that have the figure: one that neither truth nor prediction holds has no IoU, one
        that is predicted but nowhere true has 0. None where there is nothing to take a mean of.
        """
        return {
            "miou": self._mean("iou"),
            "dice": self._mean("dice"),
            "pixel_accuracy": _ratio(int(self.known.trace()), int(self.known.sum())),
            "balanced_accuracy": self._mean("recall"),
        }

    def label_scores(self) -> dict[str, float | None]:
        """``accuracy``; ``balanced_accuracy``, the mean recall of the classes that occur; ``macro_f1``."""
        return {
            "accuracy": _ratio(int(self.known.trace()), int(self.known.sum())),
            "balanced_accuracy": self._mean("recall"),
            "macro_f1": self._mean("dice"),
        }

    def nowhere_true(self) -> tuple[list[str], list[str]]:
        """Classes of the mean that the truth does not hold: those predicted all the same, and those in neither."""
        absent = {name: own for name, own in self.by_class().items() if own["in_mean"] and not own["truth"]}
        predicted = [name for name, own in absent.items() if own["predicted"]]
        return predicted, [name for name in absent if name not in predicted]

    def _mean(self, figure: str) -> float | None:
        values = [own[figure] for own in self.by_class().values() if own["in_mean"] and own[figure] is not None]
        return sum(values) / len(values) if values else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
