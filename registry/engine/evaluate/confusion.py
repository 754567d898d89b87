"""The confusion matrix, and every score that follows from it: IoU, Dice, accuracy, recall, of a set or of one image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.classes import Classes

#: A note names up to this many classes.
_MOST_NAMED: Final = 10


class ClassScores(NamedTuple):
    """Scores of one class. With P the prediction and G the truth, and None for 0/0:

    Attributes:
        iou: |P=c and G=c| / (|P=c| + |G=c| - |P=c and G=c|).
        dice: 2 |P=c and G=c| / (|P=c| + |G=c|), the F1 score.
        precision: |P=c and G=c| / |P=c|.
        recall: |P=c and G=c| / |G=c|.
        truth, predicted: |G=c| and |P=c|, in pixels or images.
        in_mean: whether the class counts in means.
    """

    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None
    truth: int
    predicted: int
    in_mean: bool


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix and the scores that follow from it.

    Training's metrics, ``evaluate``, the scores of single images and the figures all read this one class, so that they
    cannot disagree.

    Attributes:
        counts: (K, K), rows the truth, columns the prediction: pixels or images.
        classes: the K labels.
    """

    counts: NDArray[np.int64]
    classes: Classes

    @classmethod
    def of(cls, truth: NDArray[Any], predicted: NDArray[Any], classes: Classes) -> Confusion:
        """Count how often each pair occurs.

        Args:
            truth, predicted: of one shape: indices of classes; in the truth also ``classes.ignore_index``.
            classes: the labels.
        """
        labels = len(classes)
        truth = truth.astype(np.int64).ravel()
        if classes.ignored is not None:
            truth = np.where(truth == classes.ignore_index, classes.ignored, truth)
        cells = truth * labels + predicted.ravel()
        return cls(np.bincount(cells, minlength=labels * labels).reshape(labels, labels), classes)

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """The counts without those whose truth is ignored."""
        known = self.counts.copy()
        if self.classes.ignored is not None:
            known[self.classes.ignored] = 0
        return known

    @property
    def counted(self) -> NDArray[np.int64]:
        """The counts that the classes' scores are computed from."""
        return self.counts if self.classes.count_against else self.known

    def _sums(self) -> tuple[list[int], list[int], list[int]]:
        """Of each label: how often it is predicted rightly, true, and predicted."""
        counted = self.counted
        return counted.diagonal().tolist(), counted.sum(1).tolist(), counted.sum(0).tolist()

    @cached_property
    def by_class(self) -> dict[str, ClassScores]:
        """The scores of every label by its name."""
        both, truth, predicted = self._sums()
        return {
            name: ClassScores(
                iou=_ratio(both[c], truth[c] + predicted[c] - both[c]),
                dice=_ratio(2 * both[c], truth[c] + predicted[c]),
                precision=_ratio(both[c], predicted[c]),
                recall=_ratio(both[c], truth[c]),
                truth=truth[c],
                predicted=predicted[c],
                in_mean=c not in self.classes.left_out,
            )
            for c, name in enumerate(self.classes.names)
        }

    def of_classes(self, score: str) -> dict[str, float]:
        """A score, such as ``iou``, of each class that is in the mean and has it, by name."""
        values = {name: getattr(own, score) for name, own in self.by_class.items() if own.in_mean}
        return {name: value for name, value in values.items() if value is not None}

    def mean(self, score: str) -> float | None:
        """The mean of a score over the classes that have it; None where none has.

        A class that neither truth nor prediction holds has no IoU; one that is predicted but nowhere true has 0.
        """
        values = self.of_classes(score).values()
        return sum(values) / len(values) if values else None

    @property
    def accuracy(self) -> float | None:
        """The share of right predictions where the truth is not ignored; None where it is ignored everywhere."""
        return _ratio(int(self.known.trace()), int(self.known.sum()))

    @property
    def image_iou(self) -> float:
        """The mean IoU over the classes that the truth holds, without ignored pixels: the measure of a single image.

        NaN where the truth is ignored everywhere.
        """
        both, truth, predicted = self.known.diagonal(), self.known.sum(1), self.known.sum(0)
        held = truth > 0
        return float((both[held] / (truth + predicted - both)[held]).mean()) if held.any() else float("nan")

    @property
    def constant_accuracy(self) -> float:
        """The share that the most frequent class of the mean has of all that is counted."""
        most = max((own.truth for own in self.by_class.values() if own.in_mean), default=0)
        return most / max(int(self.counted.sum()), 1)

    @property
    def constant_iou(self) -> float:
        """The mean IoU that predicting the most frequent class everywhere reaches."""
        occurring = sum(own.truth > 0 for own in self.by_class.values() if own.in_mean)
        return self.constant_accuracy / max(occurring, 1)

    def mask_scores(self) -> dict[str, float | None]:
        """``miou``, ``dice``, ``pixel_accuracy`` and ``balanced_accuracy``; None for a mean over nothing."""
        scores = {"miou": self.mean("iou"), "dice": self.mean("dice"), "pixel_accuracy": self.accuracy}
        return {**scores, "balanced_accuracy": self.mean("recall")}

    def label_scores(self) -> dict[str, float | None]:
        """``accuracy``; ``balanced_accuracy``, the mean recall of the classes that occur; ``macro_f1``."""
        return {"accuracy": self.accuracy, "balanced_accuracy": self.mean("recall"), "macro_f1": self.mean("dice")}

    def nowhere_true(self) -> tuple[list[str], list[str]]:
        """Classes of the mean that the truth does not hold: those that are predicted, and those in neither."""
        absent = {name: own.predicted for name, own in self.by_class.items() if own.in_mean and not own.truth}
        return [name for name in absent if absent[name]], [name for name in absent if not absent[name]]

    def notes(self, unit: str) -> list[str]:
        """How classes that the truth does not hold are counted, in sentences; none where it holds them all.

        Args:
            unit: what the matrix counts, in the singular.
        """
        notes = (
            f"no {unit} of the truth is {{}}: predicted all the same, so IoU and F1 are 0",
            "neither in the truth nor predicted: {}; left out of the means",
        )
        found = []
        for note, names in zip(notes, self.nowhere_true(), strict=True):
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            found += [note.format(", ".join(names[:_MOST_NAMED]) + more)] if names else []
        return found


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
