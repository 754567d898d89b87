"""What a run tells its components of the data, with what the data set leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..network.contract import normalization_of
from .counts import class_counts
from .colors import distinct_colors

if TYPE_CHECKING:
    from ..train.run import Run


def completed_facts(data: Any) -> dict[str, Any]:
    """A data set's facts, completed: names and colours for its classes, and how often they occur.

    Args:
        data: keeps the contract of the kind ``datasets``.
    """
    facts: dict[str, Any] = {"in_channels": 3, "ignore_index": None, **data.facts}
    classes = facts.get("num_classes")
    if classes is not None:
        facts.setdefault("class_names", tuple(str(label) for label in range(classes)))
        facts.setdefault("class_colors", tuple(distinct_colors(classes)))
        # a function, since it may have to read every mask
        facts["class_counts"] = cache(lambda: class_counts(data.split("train"), classes))
    return facts


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a file can hold: those that are no functions."""
    return {name: value for name, value in facts.items() if not callable(value)}


def seen_sizes(run: Run) -> dict[str, tuple[int, int]]:
    """(height, width) of the first image that the network is given of each split, augmentations done."""
    first = {"train": run.train[1, 0], "val": run.val[0, 0] if run.val is not None and len(run.val) else {}}
    images = {name: sample["views"][0] if "views" in sample else sample.get("image") for name, sample in first.items()}
    return {name: image.shape[:2] for name, image in images.items() if image is not None}


def input_line(run: Run) -> str:
    """What the network sees: size and normalisation of the images, and the size that its weights were made for."""
    sample = run.train[1, 0]
    images = sample["views"] if "views" in sample else [sample["image"]] if "image" in sample else []
    sizes = ", ".join(dict.fromkeys(f"{image.shape[1]}x{image.shape[0]}" for image in images))
    mean, std = (", ".join(f"{value:.3f}" for value in values) for values in normalization_of(run.task))
    told = f"images of {sizes or 'unknown size'}, mean ({mean}), std ({std})"
    own = next((size for part in run.task.modules() if (size := getattr(part, "input_size", None))), None)
    return f"{told}; the network's own size is {own[2]}x{own[1]}" if own else told
