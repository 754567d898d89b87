"""Whether a classifier's probabilities are as often right as they claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

#: Bins of equal width, as in Guo et al., 2017.
BINS: Final = 15


def calibration(probabilities: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """The expected calibration error (Naeini et al., 2015; Guo et al., 2017), and the bins of a reliability diagram.

    Args:
        probabilities: of the predicted class of each of N >= 1 images, 0..1.
        right: whether each prediction is the true class.

    Returns:
        ``ece`` (0..1), ``confidence`` and ``accuracy`` (means over all images), ``images``, and ``bins``: for each one
        that holds images ``from``, ``to``, ``images``, ``confidence`` and ``accuracy``.
    """
    members: list[list[int]] = [[] for _ in range(BINS)]
    for at, probability in enumerate(probabilities):
        members[min(int(probability * BINS), BINS - 1)].append(at)
    bins = []
    for index, held in enumerate(members):
        if held:
            confidence = sum(probabilities[at] for at in held) / len(held)
            accuracy = sum(right[at] for at in held) / len(held)
            row = {"from": index / BINS, "to": (index + 1) / BINS, "images": len(held)}
            bins.append({**row, "confidence": confidence, "accuracy": accuracy})
    count = len(probabilities)
    return {
        "ece": sum(one["images"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / count,
        "confidence": sum(probabilities) / count,
        "accuracy": sum(right) / count,
        "images": count,
        "bins": bins,
    }
