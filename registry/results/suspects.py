"""Labels that a trained run contradicts with confidence: confident learning (Northcutt et al., 2021)."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError


def of_run(run: Path) -> list[dict[str, Any]]:
    """The suspicious labels among the images that a run was evaluated on, the most suspicious first.

    Args:
        run: a run folder, or a folder that contains some, such as a study's; each image counts once.

    Returns:
        ``split``, ``name``, ``label``, ``prediction``, ``probability`` of it and ``probability_of_label``; see
        ``suspicious``.

    Raises:
        InputError: no run there has probabilities of single images.
    """
    found: dict[tuple[str, str], Mapping[str, str]] = {}
    files = [*run.rglob("evaluation/*/per_image.csv"), *run.rglob("figures/confusion_matrix/per_image.csv")]
    files = list(run.rglob("out_of_fold*.csv")) or files  # which have every training image once
    for file in sorted(files):
        split = file.parent.name.partition("-")[0] if file.parent.parent.name == "evaluation" else "val"
        split = "train" if file.name.startswith("out_of_fold") else split
        with open(file, encoding="utf-8", newline="") as opened:
            for row in csv.DictReader(opened):
                if row.get("probability_of_truth"):
                    found.setdefault((split, row["name"]), {**row, "split": split})
    if not found:
        hint = f"hw1cli evaluate {run}, of a classifier; --split train adds its training images"
        raise InputError.of(str(run), "has no probabilities of single images", hint)
    return suspicious(list(found.values()))


def suspicious(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The rows whose prediction is another class, at least as probable as that class is where it is the label.

    That is confident learning's threshold: the mean probability of a class over the images labelled with it. They are
    ranked by the margin between the probabilities of prediction and label.

    Args:
        rows: of ``per_image.csv`` of a classifier.
    """
    own: dict[str, list[float]] = {}
    for row in rows:
        own.setdefault(row["truth"], []).append(float(row["probability_of_truth"]))
    usual = {name: statistics.fmean(values) for name, values in own.items()}
    found = [
        {
            "split": row.get("split", "val"),
            "name": row["name"],
            "label": row["truth"],
            "prediction": row["prediction"],
            "probability": float(row["probability"]),
            "probability_of_label": float(row["probability_of_truth"]),
        }
        for row in rows
        if row["prediction"] != row["truth"] and float(row["probability"]) >= usual.get(row["prediction"], 1.0)
    ]
    return sorted(found, key=lambda each: each["probability_of_label"] - each["probability"])
