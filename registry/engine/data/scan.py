"""Figures of a data set: how many, how large, which classes; and a sheet of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...recipe.plan import ComponentPlan
from ...errors import InputError, Problem
from ..build import build

#: Samples of a split that are read for sizes and shares of pixels.
_LOOKED_AT = 200
#: Faults that are told where nothing can be used.
_TOLD = 10


def inspect(plan: ComponentPlan, sheet: Path | None = None) -> dict[str, Any]:
    """Facts of a data set and figures of its splits.

    Args:
        plan: the data set.
        sheet: a PNG of samples is written there, for every kind of label; None for none.

    Returns:
        ``facts``; ``sheet``; and ``splits``: name -> ``images``, ``looked_at``, ``sizes`` (text -> count), ``shares``
        (class -> share of the labelled pixels looked at, or of the labelled images). Of images with masks also
        ``ignored`` (share of ignored pixels); of images with labels ``counts`` (class -> images) and ``unlabelled``,
        both among ``counted`` images: all of the split, where it has ``labels``, else those looked at. ``faults`` are
        the samples looked at that cannot be used, such as a mask of another size than its image, in words.

    Raises:
        InputError: the data set refuses the folder, or no sample of a split can be used.
    """
    data = build(plan, {"seed": 0})
    looks = {name: look_at(split) for name in ("train", "val") if (split := data.split(name)) is not None}
    facts = dict(data.facts)
    told = {"facts": facts, "splits": {name: _figures(look, facts) for name, look in looks.items()}}
    if sheet is not None:
        from .sheet import draw_sheet

        root = plan.arguments.get("root")
        draw_sheet(sheet, plan.name if root is None else Path(root).resolve().name, looks["train"], told)
    return {**told, "sheet": sheet}


@dataclass
class Look:
    """What was seen of a split.

    Args:
        split: its samples.
        read: indices of the samples that were read, spread evenly: neighbours in a folder are often alike.
        sizes: how often each size occurs among them, as text.
        labels: index -> label or None; of the whole split where it tells ``labels``, else of the samples read.
        masks: index -> pixels of each value 0..255 in its mask.
        faults: of the samples that cannot be used.
    """

    split: Sequence[Mapping[str, Any]]
    read: list[int]
    sizes: Counter[str] = field(default_factory=Counter)
    labels: dict[int, int | None] = field(default_factory=dict)
    masks: dict[int, np.ndarray] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)


def look_at(split: Sequence[Mapping[str, Any]]) -> Look:
    """Read some samples of a split, at most 200.

    Raises:
        InputError: none of them can be used.
    """
    look = Look(split, [])
    for index in spread(len(split), _LOOKED_AT):
        try:
            sample = split[index]
        except InputError as error:
            look.faults += error.problems
            continue
        look.read.append(index)
        height, width = sample["image"].shape[:2]
        look.sizes[f"{width}x{height}"] += 1
        if "mask" in sample:
            look.masks[index] = np.bincount(np.asarray(sample["mask"], np.uint8).ravel(), minlength=256)
        else:
            look.labels[index] = sample.get("label")
    if look.faults and not look.read:
        raise InputError(look.faults[:_TOLD])
    whole = getattr(split, "labels", None)
    if whole is not None and not look.masks:
        look.labels = dict(enumerate(whole))
    return look


def spread(length: int, number: int) -> list[int]:
    """At most ``number`` of the indices 0 .. length - 1, the first and the last among them, evenly apart."""
    return [round(float(place)) for place in np.linspace(0, length - 1, min(number, length))] if length else []


def class_names(facts: Mapping[str, Any]) -> list[str]:
    """The classes' names, or their numbers; none where the data tell no classes."""
    return [str(name) for name in facts.get("class_names") or range(facts.get("num_classes") or 0)]


def sizes_in_words(sizes: Mapping[str, int]) -> str:
    """The sizes of images with their counts; of more than five, how far they reach: ``40..199 x 44..160``."""
    if len(sizes) <= 5:
        return ", ".join(f"{size} ({count})" if len(sizes) > 1 else size for size, count in sizes.items())
    widths, heights = zip(*(map(int, size.split("x")) for size in sizes), strict=True)
    return f"{len(sizes)} sizes, {min(widths)}..{max(widths)} x {min(heights)}..{max(heights)}"


def percent(share: float) -> str:
    """A share for readers, in which a little is not nothing."""
    return "0" if share == 0 else "<0.1%" if share < 0.0005 else f"{share:.1%}"


def _figures(look: Look, facts: Mapping[str, Any]) -> dict[str, Any]:
    names, ignored = class_names(facts), facts.get("ignore_index")
    told: dict[str, Any] = {
        "images": len(look.split),
        "looked_at": len(look.read) + len(look.faults),
        "sizes": dict(look.sizes.most_common()),
        "faults": [f"{fault.path}: {fault.message}" for fault in look.faults],
    }
    if look.masks:
        pixels = np.sum(list(look.masks.values()), axis=0)
        counts = {name: int(pixels[label]) for label, name in enumerate(names) if label != ignored}
        if ignored is not None and 0 <= ignored < len(pixels):
            told["ignored"] = float(pixels[ignored] / max(pixels.sum(), 1))
    else:
        found = Counter(look.labels.values())
        counts = {name: found[label] for label, name in enumerate(names)}
        told |= {"counted": len(look.labels), "counts": counts, "unlabelled": found[None]}
    total = sum(counts.values())
    told["shares"] = {name: count / total if total else 0.0 for name, count in counts.items()}
    return told
