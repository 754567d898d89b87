"""Figures of a data set: how many, how large, which classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..plans import ComponentPlan
from .building import build

#: Samples of a split that are read for sizes and class shares.
_LOOKED_AT = 200


def inspect(plan: ComponentPlan) -> dict[str, Any]:
    """Facts of a data set and figures of its splits.

    Returns:
        ``facts`` and ``splits``: name -> ``images``, ``looked_at``, ``sizes`` (text -> count), ``shares`` (class ->
        share of the labelled pixels, or of the images) and ``ignored`` (share of ignored pixels).

    Raises:
        InputError: a file is faulty.
    """
    data = build(plan, {"seed": 0})
    splits = {name: data.split(name) for name in ("train", "val")}
    figures = {name: _figures(split, data.facts) for name, split in splits.items() if split is not None}
    return {"facts": dict(data.facts), "splits": figures}


def _figures(split: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
    looked_at = min(len(split), _LOOKED_AT)
    sizes: Counter[str] = Counter()
    counts = np.zeros(256, np.int64)
    # spread evenly: neighbours in a folder are often alike
    for index in np.linspace(0, len(split) - 1, looked_at).round().astype(int) if looked_at else []:
        sample = split[int(index)]
        height, width = sample["image"].shape[:2]
        sizes[f"{width}x{height}"] += 1
        if "mask" in sample:
            counts += np.bincount(np.asarray(sample["mask"]).ravel(), minlength=256)
        elif "label" in sample:
            counts[int(sample["label"])] += 1
    ignored = facts.get("ignore_index")
    names = list(facts.get("class_names") or map(str, range(facts["num_classes"])))
    labelled = {name: int(counts[i]) for i, name in enumerate(names) if i != ignored}
    total = sum(labelled.values())
    told: dict[str, Any] = {"images": len(split), "looked_at": looked_at, "sizes": dict(sizes.most_common())}
    told["shares"] = {name: count / total if total else 0.0 for name, count in labelled.items()}
    if ignored is not None and ignored < len(counts) and counts.sum():
        told["ignored"] = float(counts[ignored] / counts.sum())
    return told
