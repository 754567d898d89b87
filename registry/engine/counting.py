"""How often each class occurs in a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def class_counts(samples: Sequence[Any], classes: int) -> list[int]:
    """Images, or pixels, of each class; what lies outside the classes is not counted.

    Args:
        samples: a split of a data set; one with ``labels`` is counted without reading its images.
        classes: number of classes.
    """
    labels = getattr(samples, "labels", None)
    if labels is not None:
        return _counted(np.array([label for label in labels if label is not None], np.int64), classes).tolist()  # type: ignore[no-any-return]
    counts = np.zeros(classes, np.int64)
    for index in range(len(samples)):
        sample = samples[index]
        if "mask" in sample or sample.get("label") is not None:
            counts += _counted(np.asarray(sample["mask"] if "mask" in sample else [sample["label"]]).ravel(), classes)
    return counts.tolist()  # type: ignore[no-any-return]


def _counted(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(labels, minlength=classes)[:classes]
