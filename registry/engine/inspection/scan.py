"""Some samples of a split, read for their sizes, classes and faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ...errors import InputError, Problem

#: Samples of a split that are read for sizes and shares of pixels.
_READ: Final = 200
#: Problems that are reported where no sample can be used.
_REPORTED: Final = 10


@dataclass
class SplitScan:
    """What was seen of a split.

    Attributes:
        split: its samples.
        read: indices of the samples that were read, spread evenly: neighbours in a folder are often alike.
        sizes: how often each size occurs among them, as text.
        size_of: index -> size, as text.
        labels: index -> its labels, none to several; of the whole split where it has ``labels``, else of those read.
        masks: index -> pixels of each value 0..255 in its mask.
        bands: of each sample read, (3, bands): pixels, and sums of their values and of the squares of these.
        warnings: about the samples that cannot be used.
    """

    split: Sequence[Mapping[str, Any]]
    read: list[int] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    size_of: dict[int, str] = field(default_factory=dict)
    labels: dict[int, tuple[int, ...]] = field(default_factory=dict)
    masks: dict[int, np.ndarray] = field(default_factory=dict)
    bands: list[np.ndarray] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def scan_split(split: Sequence[Mapping[str, Any]]) -> SplitScan:
    """Read some samples of a split, at most 200.

    Raises:
        InputError: none of them can be used.
    """
    scan = SplitScan(split)
    for index in spread(len(split), _READ):
        try:
            sample = split[index]
        except InputError as error:
            scan.warnings += error.problems
            continue
        scan.read.append(index)
        values = sample["image"].reshape(-1, sample["image"].shape[2]).astype(np.float64)
        scan.bands.append(np.stack([np.full(values.shape[1], len(values)), values.sum(0), (values**2).sum(0)]))
        height, width = sample["image"].shape[:2]
        scan.size_of[index] = f"{width}x{height}"
        scan.sizes[scan.size_of[index]] += 1
        if "mask" in sample:
            scan.masks[index] = np.bincount(np.asarray(sample["mask"], np.uint8).ravel(), minlength=256)
        else:
            scan.labels[index] = labels_of(sample.get("label"))
    if scan.warnings and not scan.read:
        raise InputError(scan.warnings[:_REPORTED])
    if getattr(split, "labels", None) is not None and not scan.masks:
        scan.labels = dict(enumerate(map(labels_of, split.labels)))  # type: ignore[attr-defined]
    return scan


def labels_of(label: Any) -> tuple[int, ...]:
    """The labels of a sample: of None none, of flags those that are set."""
    if label is None or isinstance(label, (int, np.integer)):
        return () if label is None else (int(label),)
    return tuple(map(int, np.flatnonzero(label)))


def spread(length: int, number: int) -> list[int]:
    """At most ``number`` of the indices 0 .. length - 1, the first and the last among them, evenly apart."""
    return [round(float(place)) for place in np.linspace(0, length - 1, min(number, length))] if length else []


def class_names(facts: Mapping[str, Any]) -> list[str]:
    """The classes' names, or their numbers; empty for data without classes."""
    return [str(name) for name in facts.get("class_names") or range(facts.get("num_classes") or 0)]


def sizes_in_words(sizes: Mapping[str, int]) -> str:
    """The sizes of images with their counts; more than five as ranges: ``40..199 x 44..160``."""
    if len(sizes) <= 5:
        return ", ".join(f"{size} ({count})" if len(sizes) > 1 else size for size, count in sizes.items())
    widths, heights = zip(*(map(int, size.split("x")) for size in sizes), strict=True)
    return f"{len(sizes)} sizes, {min(widths)}..{max(widths)} x {min(heights)}..{max(heights)}"


def percent(share: float) -> str:
    """A share as text, in which a small share is not 0."""
    return "0" if share == 0 else "<0.1%" if share < 0.0005 else f"{share:.1%}"
