"""Scores out of a confusion matrix: what is counted, and what follows from the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, did_you_mean
from ..data.colors import Color, distinct_colors

#: The colour of an ignored label that is no class.
_IGNORED: Final[Color] = (110, 110, 110)


@dataclass(frozen=True)
class Classes:
    """The labels that a truth can hold, and which of them count.

    Attributes:
        names: of all labels, K of them; an ignored label that is no class comes last.
        colors: (R, G, B) in 0..255 of each.
        ignored: the index of the label that is not to be learned; None without one.
        count_against: whether a class predicted where the truth is ignored counts against that class, as NTU's DLCV
            course measures; else such pixels are forgotten.
        left_out: indices of the labels left out of means over the classes.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignored: int | None = None
    count_against: bool = False
    left_out: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        colors: Sequence[Any] | None = None,
        ignore_index: int | None = None,
        *,
        count_against: bool = False,
        left_out: Sequence[str] | None = None,
    ) -> Classes:
        """Classes and the ignored label, one of them or none of them.

        Args:
            names, colors: of the classes.
            ignore_index: the ignored label.
            count_against: see the attribute.
            left_out: names of the classes left out of means; when None, the ignored one.

        Raises:
            InputError: ``left_out`` names no class, or leaves none.
        """
        names = tuple(names)
        table: list[Color] = [(int(c[0]), int(c[1]), int(c[2])) for c in colors or distinct_colors(len(names))]
        ignored, outside = ignore_index, ignore_index is not None and not 0 <= ignore_index < len(names)
        for name in left_out or ():
            if name not in names:
                raise InputError.of("left_out", f"there is no class {name!r}", did_you_mean(name, names))
        out = {names.index(name) for name in left_out} if left_out is not None else {ignored} - {None}
        if outside:
            ignored, out = len(names), out - {ignore_index} | {len(names)}
            names, table = (*names, "ignored"), [*table[: len(names)], _IGNORED]
        if ignored is not None and not count_against:
            out |= {ignored}  # its pixels are forgotten, so it can have no figure
        if len(out) >= len(names):
            raise InputError.of("left_out", "leaves no class to take the mean over", "name fewer classes")
        return cls(
            names, tuple(table), ignored, count_against, frozenset(int(index) for index in out if index is not None)
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kept(self) -> list[int]:
        """The indices that means are taken over, in order."""
        return [index for index in range(len(self.names)) if index not in self.left_out]


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


def classes_of(facts: Mapping[str, Any], *, count_against: bool, left_out: Sequence[str] | None) -> Classes:
    """The classes that a run's facts tell of; see ``Classes.of``."""
    names = facts.get("class_names") or [str(label) for label in range(facts["num_classes"])]
    told = (names, facts.get("class_colors"), facts.get("ignore_index"))
    return Classes.of(*told, count_against=count_against, left_out=left_out)
