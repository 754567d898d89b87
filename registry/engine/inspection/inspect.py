"""``data inspect``: a data set's statistics, the settings they suggest, and questions that only the user can answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .scan import SplitScan, class_names, percent, scan_split
from .spoilers import spoilers

#: Sides of a proposed size are multiples of this, and at most so many pixels for labels and for masks.
_MULTIPLE, _MOST_OF_LABELS, _MOST_OF_MASKS = 32, 224, 512


def inspect(data: Any, *, title: str, arguments: Mapping[str, Any], sheet: Path | None = None) -> dict[str, Any]:
    """Facts of a data set, figures of its splits, and what its recipe should say besides.

    Args:
        data: keeps the contract of the kind ``datasets``.
        title: names the data on the sheet.
        arguments: of the data set, by name, for the questions.
        sheet: the PNG of samples to write; None for none.

    Returns:
        ``facts``; ``bands``: ``mean`` and ``std`` of each; ``sheet``; ``augment``: the block that makes all images one
        size, None where they are; ``questions``: what only the user can know, each with the lines to write; and
        ``splits``: name -> ``images``, ``looked_at``, ``sizes`` (text -> count), ``shares`` (class -> share of the
        labelled pixels looked at, or of the labelled images). Of images with masks also ``ignored`` (share of ignored
        pixels); of images with labels ``counts`` (class -> images) and ``unlabelled``, both among ``counted`` images:
        the whole split, where it has ``labels``, else those looked at. ``warnings`` are about samples that cannot be
        used, such as a mask whose size is not its image's. And what ``spoilers`` finds.

    Raises:
        InputError: no sample of a split can be used.
    """
    splits = {name: split for name in ("train", "val") if (split := data.split(name)) is not None}
    scans = {name: scan_split(split) for name, split in splits.items()}
    facts = dict(data.facts)
    found: dict[str, Any] = {
        "facts": facts,
        "splits": {name: _figures(scan, facts) for name, scan in scans.items()},
        "augment": proposed_augment(list(scans.values())),
        "bands": _statistics(scans["train"]),
    }
    found |= spoilers(splits, scans, facts)
    found["questions"] = _questions(found, arguments) if scans["train"].masks else []
    if sheet is not None:
        from .sheet import draw_sheet  # imports matplotlib

        draw_sheet(sheet, title, scans["train"], found)
    return {**found, "sheet": sheet}


def _statistics(scan: SplitScan) -> dict[str, list[float]]:
    """``mean`` and ``std`` of each band over all pixels read, in the values of the files."""
    count, total, squares = np.sum(scan.bands, axis=0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return {"mean": [float(f"{value:.5g}") for value in mean], "std": [float(f"{value:.5g}") for value in std]}


def _figures(scan: SplitScan, facts: Mapping[str, Any]) -> dict[str, Any]:
    names, ignored = class_names(facts), facts.get("ignore_index")
    figures: dict[str, Any] = {
        "images": len(scan.split),
        "looked_at": len(scan.read) + len(scan.warnings),
        "sizes": dict(scan.sizes.most_common()),
        "warnings": [f"{warning.path}: {warning.message}" for warning in scan.warnings],
    }
    if scan.masks:
        pixels = np.sum(list(scan.masks.values()), axis=0)
        counts = {name: int(pixels[label]) for label, name in enumerate(names) if label != ignored}
        if ignored is not None and 0 <= ignored < len(pixels):
            figures["ignored"] = float(pixels[ignored] / max(pixels.sum(), 1))
    else:
        found = Counter(label for labels in scan.labels.values() for label in labels)
        counts = {name: found[label] for label, name in enumerate(names)}
        figures |= {
            "counted": len(scan.labels),
            "counts": counts,
            "unlabelled": sum(not labels for labels in scan.labels.values()),
        }
    # Of images with several labels each the shares add up to more than 1.
    total = sum(counts.values()) if scan.masks else sum(map(bool, scan.labels.values()))
    figures["shares"] = {name: count / total if total else 0.0 for name, count in counts.items()}
    return figures


def proposed_augment(scans: Sequence[SplitScan]) -> dict[str, list[dict[str, Any]]] | None:
    """The ``augment:`` block that makes images of one size, where a split has several; None where none does.

    Masks are resized with their images, to the median size; images of a class are cropped to squares.
    """
    if all(len(scan.sizes) <= 1 for scan in scans):
        return None
    sides = np.array([size.split("x") for scan in scans for size in scan.sizes.elements()], int)
    if any(scan.masks for scan in scans):
        width, height = (_proposed_side(side, _MOST_OF_MASKS) for side in np.median(sides, axis=0))
        resize = [{"use": "albumentations/Resize", "height": height, "width": width}]
        return {"train": resize, "eval": [dict(resize[0])]}
    side = _proposed_side(float(np.median(sides.min(1))), _MOST_OF_LABELS)
    crop = {"use": "albumentations/CenterCrop", "height": side, "width": side}
    random_crop = {"use": "albumentations/RandomResizedCrop", "size": [side, side]}
    return {"train": [random_crop], "eval": [{"use": "albumentations/SmallestMaxSize", "max_size": side}, crop]}


def _proposed_side(side: float, most: int) -> int:
    return max(_MULTIPLE, min(most, round(side / _MULTIPLE) * _MULTIPLE))


def _questions(found: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What the masks leave open: whether a label is a class, or marks pixels that are not to be learned."""
    if "ignore_index" not in arguments:
        return []
    facts, figures = found["facts"], found["splits"]["train"]
    ignored, names = facts.get("ignore_index"), class_names(facts)
    if ignored is not None:
        share = percent(figures["ignored"]) if "ignored" in figures else "none"
        text = f"label {ignored} ({share} of the pixels) is taken to mark ignored pixels, which are not learned"
        return [f"{text}; is it a class? Then name it in classes and remove ignore_index"]
    if arguments.get("mask_format") == "colors" and list(facts["class_colors"]) == [(0, 0, 0), (255, 255, 255)]:
        text = "the masks hold 0 and 255 only, taken for two classes; are pixels of 255 to be ignored?"
        return [f"{text} Then write classes: [{names[0]}], ignore_index: 255, without mask_format and colors"]
    return ["does one of the labels mark pixels to be ignored (void, unlabelled)? Then add ignore_index: LABEL"]
