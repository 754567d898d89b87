"""The facts of the data that a run passes to its components: classes, their names, colours and frequencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from .colors import distinct_colors
from .images import UnreadableImage
from .samples import Sample, Samples


def completed_facts(data: Any, *, skip: bool = False) -> dict[str, Any]:
    """A data set's facts, completed: names and colours for its classes, and how often they occur.

    Args:
        data: keeps the contract of the kind ``datasets``.
        skip: leave out samples that cannot be read.
    """
    facts: dict[str, Any] = {"in_channels": 3, "ignore_index": None, **data.facts}
    classes = facts.get("num_classes")
    if classes is not None:
        facts.setdefault("class_names", tuple(str(label) for label in range(classes)))
        facts.setdefault("class_colors", tuple(distinct_colors(classes)))
        # a function, since it may have to read every mask
        facts["class_counts"] = cache(lambda: class_counts(data.split("train"), classes, skip=skip))
    return facts


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a file can hold: those that are not functions."""
    return {name: value for name, value in facts.items() if not callable(value)}


def class_counts(samples: Samples, classes: int, *, skip: bool = False) -> list[int]:
    """Images, or pixels, of each class; what lies outside the classes is not counted.

    Args:
        samples: a split of a data set; one with ``labels`` is counted without reading its images.
        classes: number of classes.
        skip: leave out samples that cannot be read.
    """
    known = _known_labels(samples, classes)
    if known is not None:
        return np.bincount(known[known >= 0], minlength=classes).tolist()  # type: ignore[no-any-return]
    counts = sum(_counts(samples, classes, skip), np.zeros(classes, np.int64))
    return [int(count) for count in counts]


def balancing_weights(samples: Samples, classes: int | None, *, skip: bool = False) -> Tensor:
    """Sampling weights with which the classes are seen about equally often: (N,) float64.

    A sample's weight is the mean of its labels' inverse frequencies: of a labelled image 1 / images of its class, of a
    mask the mean over its pixels of 1 / pixels of their class. One that cannot be read has none where ``skip`` is true.

    Raises:
        InputError: the samples have neither labels nor masks.
    """
    if classes is None:
        raise InputError.of(
            "trainer.sampling", "balanced needs data with classes", "leave it out to shuffle the samples"
        )
    known = _known_labels(samples, classes)
    if known is not None:
        weights = np.where(known < 0, 0.0, 1 / np.maximum(class_counts(samples, classes), 1)[known])
    else:
        counts = np.stack(list(_counts(samples, classes, skip)))
        weights = (counts / np.maximum(counts.sum(0), 1)).sum(1) / np.maximum(counts.sum(1), 1)
    if not weights.any():
        raise InputError.of(
            "trainer.sampling", "balanced needs samples with labels", "leave it out to shuffle the samples"
        )
    return torch.from_numpy(weights)


def _known_labels(samples: Samples, classes: int) -> np.ndarray | None:
    """The label of each of millions of samples, -1 for none; None where they have masks, or several labels each."""
    labels = getattr(samples, "labels", None)
    if labels is None or isinstance(next((label for label in labels if label is not None), None), tuple):
        return None
    known = np.fromiter((-1 if label is None else label for label in labels), np.int64, len(labels))
    return np.where(known < classes, known, -1)


def _counts(samples: Samples, classes: int, skip: bool) -> Iterator[np.ndarray]:
    """Of each sample, how often it has each class: (classes,) int64."""
    labels = getattr(samples, "labels", None)
    for index in range(len(samples)):
        if labels is not None:
            found = [] if labels[index] is None else [labels[index]]
        else:
            try:
                sample: Sample = samples[index]
            except UnreadableImage:
                if not skip:
                    raise
                sample = {}
            found = sample["mask"] if "mask" in sample else [sample["label"]] if "label" in sample else []
        if len(found) and isinstance(found[0], tuple):  # a flag for each class
            yield np.asarray(found[0], np.int64)
            continue
        yield np.bincount(np.asarray(found, np.int64).ravel(), minlength=classes)[:classes]


def absent_classes(samples: Samples, facts: Mapping[str, Any]) -> list[str]:
    """A sentence that names the classes without a sample, where the labels of a split are known; else nothing."""
    there, names = set(getattr(samples, "labels", None) or ()), facts.get("class_names") or ()
    known = there and there <= set(range(len(names)))  # flags of several classes are not
    absent = [str(name) for at, name in enumerate(names) if known and at not in there]
    some = ", ".join(absent[:5]) + ", ..." * (len(absent) > 5)
    return [f"no training image is of: {some}"] if absent else []
