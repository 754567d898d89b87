"""What spoils a study: images that occur twice, leaks between splits, sizes far from the others', rare classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from .duplicates import Pictures, duplicates, pictures
from .scan import SplitScan, class_names

#: A side, or a ratio of the sides, that is so many times the median's or a fraction of it is odd.
_ODD: Final = 3.0
#: The largest class over the smallest one from which classes are called imbalanced.
_IMBALANCE: Final = 10.0
#: Fewer evaluation images of a class than these say little about it.
_FEW: Final = 5


def spoilers(splits: Mapping[str, Any], scans: Mapping[str, SplitScan], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Compare all images of all splits.

    Args:
        splits: name -> samples.
        scans: of them.
        facts: of the data set.

    Returns:
        ``compared`` (images), ``duplicates``: groups with ``kind`` (``exact``, ``near``), ``how``, ``leak`` (whether
        they are in several splits), ``conflict`` (whether their labels differ) and ``images`` (``split``, ``name``,
        ``class``, ``index`` in ``pictures``); ``odd_sizes`` (``split``, ``name``, ``size``); ``classes``: sentences
        about classes; ``pictures``.
    """
    found, names = pictures(splits), class_names(facts)
    groups = [
        {
            "kind": group["kind"],
            "how": group["how"],
            "leak": len(group["splits"]) > 1,
            "conflict": len(group["labels"]) > 1,
            "images": [_named(found, index, names) for index in group["members"]],
        }
        for group in duplicates(found)
    ]
    return {
        "compared": len(found.name),
        "duplicates": groups,
        "odd_sizes": _odd_sizes(splits, scans),
        "classes": _classes(scans, names),
        "pictures": found,
    }


def _named(found: Pictures, index: int, names: Sequence[str]) -> dict[str, Any]:
    labels = (names[label] if 0 <= label < len(names) else str(label) for label in found.labels[index])
    named = ", ".join(labels) or None
    return {"split": found.split[index], "name": str(found.name[index]), "class": named, "index": index}


def _odd_sizes(splits: Mapping[str, Any], scans: Mapping[str, SplitScan]) -> list[dict[str, str]]:
    """Images among those read whose sides, or the ratio of these, are far from the median's of all."""
    rows = [
        (name, index, tuple(map(int, size.split("x"))))
        for name, scan in scans.items()
        for index, size in scan.size_of.items()
    ]
    if not rows:
        return []
    sides = np.array([size for *_, size in rows], float)
    measures = np.log(np.stack([sides[:, 0], sides[:, 1], sides[:, 0] / sides[:, 1]], 1))
    odd = (abs(measures - np.median(measures, axis=0)) > np.log(_ODD)).any(1)
    return [
        {"split": name, "name": str(splits[name].names[index]), "size": f"{size[0]}x{size[1]}"}
        for (name, index, size), is_odd in zip(rows, odd, strict=True)
        if is_odd
    ]


def _classes(scans: Mapping[str, SplitScan], names: Sequence[str]) -> list[str]:
    """Sentences about classes that are rare or absent, of data with labels."""
    counts = {
        split: np.bincount([label for each in scan.labels.values() for label in each], minlength=len(names))
        for split, scan in scans.items()
        if not scan.masks and scan.labels
    }
    sentences = []
    if "train" in counts and len(names) > 1 and counts["train"].any():
        most, least = int(counts["train"].argmax()), int(counts["train"].argmin())
        high, low = int(counts["train"][most]), int(counts["train"][least])
        if low == 0 or high / low >= _IMBALANCE:
            counted = f"train: {high} images of {names[most]}, {low} of {names[least]}"
            sentences.append(f"{counted}; see trainer.sampling: balanced")
    if "val" in counts:
        few = [name for name, count in zip(names, counts["val"], strict=False) if count < _FEW]
        if few:
            some = ", ".join(few[:5]) + ", ..." * (len(few) > 5)
            sentences.append(f"val: fewer than {_FEW} images of {len(few)} of {len(names)} classes: {some}")
    return sentences


def write_thumbnails(found: Pictures, indices: Sequence[int], folder: Path) -> dict[int, Path]:
    """Write some of the pictures as PNG files into a folder: index -> file."""
    written = {}
    for index in dict.fromkeys(indices):
        written[index] = folder / f"{index}.png"
        Image.fromarray(found.color[index]).save(written[index])
    return written
