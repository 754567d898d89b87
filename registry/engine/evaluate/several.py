"""Evaluated images that may have several classes each: the counts of each class, and the images' own results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..data.labels import SEPARATOR
from .confusion import Confusion
from .per_image import Tally


class SeveralConfusion(Confusion):
    """The counts of classes that do not exclude one another.

    Attributes:
        counts: (K, 3): images that have the class and are given it, that have it, that are given it.
    """

    def _sums(self) -> tuple[list[int], list[int], list[int]]:
        right, truth, predicted = self.counts.T.tolist()
        return right, truth, predicted

    def label_scores(self) -> dict[str, float | None]:
        """``macro_f1``, the mean over the classes; ``micro_f1``, of all classes' counts together."""
        right, truth, predicted = self.counts.sum(0).tolist()
        micro = 2 * right / (truth + predicted) if truth + predicted else None
        return {"macro_f1": self.mean("dice"), "micro_f1": micro}


@dataclass
class SeveralTally(Tally):
    """The evaluated images; ``counts`` as in ``SeveralConfusion``."""

    threshold: float = 0.5
    captions: ClassVar[str] = "truth → prediction"

    def __post_init__(self) -> None:
        self.kind, self.counts = "multilabel", np.zeros((len(self.classes), 3), np.int64)

    def add_labels(
        self, name: str, truth: Sequence[int], probabilities: Sequence[float], *, known: bool = True
    ) -> None:
        """Add an image: a flag and a probability, 0..1, of each class; ``known`` makes columns of the probabilities."""
        true, shares = np.asarray(truth, bool), np.asarray(probabilities, float)
        given = shares >= self.threshold
        self.counts += np.stack([true & given, true, given], axis=1)
        right = np.where(true, shares, 1 - shares)
        texts = [SEPARATOR.join(np.array(self.classes.names)[flags].tolist()) for flags in (true, given)]
        row: dict[str, Any] = {"name": name, "truth": texts[0], "prediction": texts[1]}
        row |= {"right": int((true == given).all()), "wrong_labels": int((true != given).sum())}
        columns = zip(self.classes.names, shares.tolist(), strict=True) if known else ()
        self.rows.append(row | {f"probability/{of}": share for of, share in columns})
        # Without probabilities the worst are those with the most wrong classes; what is right is not shown.
        self.quality.append(float(right.min()) if known else -row["wrong_labels"] or np.nan)

    @property
    def confusion(self) -> Confusion:
        return SeveralConfusion(self.counts, self.classes)

    def scores(self) -> dict[str, float | None]:
        """Those of the classes, and ``exact_match``, the share of images all of whose classes are right."""
        exact = float(np.mean([row["right"] for row in self.rows])) if self.rows else None
        return {**super().scores(), "exact_match": exact}

    def right(self, at: int) -> bool | None:
        return bool(self.rows[at]["right"])

    def caption(self, at: int) -> str:
        row = self.rows[at]
        truth, predicted = (row[key].replace(SEPARATOR, ", ") or "none" for key in ("truth", "prediction"))
        return f"{'✓' if self.right(at) else '✗'} {truth} →\n{predicted}"
