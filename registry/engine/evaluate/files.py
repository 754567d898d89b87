"""Predictions in files against the truth in files: no model, and no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console as Terminal

from ...errors import InputError, Problem, did_you_mean
from ..console import Console
from ..data import labels as label_files
from ..data.classes import Classes, KnownClasses
from ..data.images import UnreadableImage, read_image
from ..data.masks import MaskReader, comparing_reader
from ..data.pairs import find_images, find_masks, with_common_names
from .confusion import Confusion, count
from .figures import Example
from .report import Evaluation

#: Problems that are reported at once, and names that a message lists.
_MOST: Final = 20


@dataclass(frozen=True)
class Question:
    """What is compared.

    Attributes:
        predictions, truth: folders of masks, or CSV files with labels.
        images: the folder of the images; None to look beside the true masks.
        known: the classes; None for those that occur in the truth.
        ignore: the label that does not count: a class's name, a value, or #rrggbb; None for that of ``known``.
        count_against: see ``Classes``.
        allow_missing: whether truth without a prediction is left out, instead of being an error.
        worst: how many of the worst images to show.
    """

    predictions: Path
    truth: Path
    images: Path | None = None
    known: KnownClasses | None = None
    ignore: str | None = None
    count_against: bool = False
    allow_missing: bool = False
    worst: int = 12


def known_from_run(run: Path) -> KnownClasses:
    """The classes of a run folder.

    Raises:
        InputError: it is not a run folder, or its data have no classes.
    """
    file = run / "environment.json"
    if not file.is_file():
        raise InputError.of(str(run), "is not a run folder: it has no environment.json", "--like takes a run folder")
    facts = json.loads(file.read_text(encoding="utf-8")).get("facts", {})
    if "class_names" not in facts:
        raise InputError.of(str(run), "is a run whose data have no classes", "name them with --classes")
    return KnownClasses(facts["class_names"], facts.get("class_colors"), facts.get("ignore_index"), given=True)


def counts_against_in_run(run: Path) -> bool:
    """Whether the first metric of a run that has a rule for ignored pixels lets them count against a prediction."""

    def rules(value: Any) -> Iterator[str]:
        if isinstance(value, Mapping):
            if "ignored_pixels" in value:
                yield value["ignored_pixels"]
            for item in value.values():
                yield from rules(item)
        elif isinstance(value, list):
            for item in value:
                yield from rules(item)

    file = run / "plan.json"
    plan = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return next(rules(plan), "leave_out") == "count_against"


def compare(question: Question, terminal: Terminal) -> Evaluation:
    """Pair predictions with the truth by name and score them.

    Raises:
        InputError: with every fault, 20 at most: nothing to pair, missing predictions, unreadable files, labels of no
            class, sizes that differ.
    """
    for path in (question.predictions, question.truth):
        if not path.exists():
            raise InputError.of(str(path), "does not exist")
    folders = [path.is_dir() for path in (question.predictions, question.truth)]
    if folders[0] != folders[1]:
        raise InputError.of(
            f"{question.predictions}, {question.truth}",
            "are a folder and a file: expected two of one kind",
            "two folders of masks, or two CSV files: filename,label",
        )
    return _compare_masks(question, Console(terminal)) if all(folders) else _compare_labels(question)


# --- masks ------------------------------------------------------------------------------------


def _compare_masks(question: Question, console: Console) -> Evaluation:
    truths, predictions = with_common_names(find_masks(question.truth), find_masks(question.predictions))
    problems, notes = _unpaired(truths, predictions, question)
    names = sorted(truths.keys() & predictions.keys())
    if not names:
        raise InputError(problems)
    reader, classes = comparing_reader(
        [truths[name] for name in names],
        [predictions[name] for name in names],
        question.known,
        ignore=question.ignore,
        count_against=question.count_against,
    )
    labels = len(classes)
    total, ious, right = np.zeros((labels, labels), np.int64), [], []
    for name in console.track(names, len(names), "comparing", "files"):
        try:
            truth, predicted = _read_pair(reader, truths[name], predictions[name])
        except InputError as error:
            problems += error.problems
            if len(problems) >= _MOST:
                break
            continue
        counts = count(truth, predicted, labels)
        total += counts
        image = Confusion(counts, classes)
        ious.append(image.image_iou)
        right.append(image.accuracy)
    if problems:
        raise InputError(problems[:_MOST])
    confusion = Confusion(total, classes)
    if not confusion.known.any():
        raise InputError.of(str(question.truth), "holds nothing but the ignored label", "look at --ignore")
    rows = [
        {"name": name, "miou": iou, "pixel_accuracy": accuracy}
        for name, iou, accuracy in zip(names, ious, right, strict=True)
    ]
    order = [int(at) for at in np.argsort(ious, kind="stable") if np.isfinite(ious[at])][: question.worst]
    pictures = find_images(question.images or question.truth, truths)
    worst = [
        _example(names[at], ious[at], reader, truths, predictions, pictures)
        for at in order  # read anew: all masks of a large set would not fit into memory
    ]
    return Evaluation(
        _title(question),
        _about(question),
        "masks",
        len(names),
        confusion.mask_scores(),
        confusion,
        rows,
        worst,
        notes + confusion.notes("pixel"),
    )


def _read_pair(reader: MaskReader, truth: Path, predicted: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both masks; every fault of the pair at once."""
    problems: list[Problem] = []
    masks = []
    for path in (truth, predicted):
        try:
            masks.append(reader(path))
        except UnreadableImage as error:
            problems += error.problems
    if not problems and masks[0].shape != masks[1].shape:
        (height, width), (predicted_height, predicted_width) = masks[0].shape, masks[1].shape
        message = f"is {predicted_width}x{predicted_height}, but its truth {truth} is {width}x{height}"
        problems.append(Problem(str(predicted), message, "predictions have to be in the size of the truth"))
    if problems:
        raise InputError(problems)
    return masks[0], masks[1]


def _example(
    name: str,
    iou: float,
    reader: MaskReader,
    truths: Mapping[str, Path],
    predictions: Mapping[str, Path],
    pictures: Mapping[str, Path],
) -> Example:
    image = read_image(pictures[name]) if name in pictures else None
    masks = (reader(truths[name]), reader(predictions[name]))
    return Example(name, f"IoU {iou:.3f}", image, *masks).thin()


def _unpaired(
    truths: Mapping[str, Any], predictions: Mapping[str, Any], question: Question
) -> tuple[list[Problem], list[str]]:
    """Problems and notes on names that only one side has."""
    missing, further = sorted(truths.keys() - predictions.keys()), sorted(predictions.keys() - truths.keys())
    problems, notes = [], []
    if len(missing) == len(truths):
        message = f"no name of {question.truth} is in it: {_some(missing, 3)} there, {_some(further, 3)} here"
        problems.append(Problem(str(question.predictions), message, "predictions are paired with the truth by name"))
    elif missing and question.allow_missing:
        notes.append(f"{len(missing)} of {len(truths)} have no prediction and are left out: {_some(missing, 10)}")
    elif missing:
        message = f"lacks {len(missing)} of the truth's {len(truths)}: {_some(missing, _MOST)}"
        problems.append(Problem(str(question.predictions), message, "--allow-missing leaves them out of the scores"))
    if further and len(missing) < len(truths):
        notes.append(f"{len(further)} predictions have no truth and are left out: {_some(further, 10)}")
    return problems, notes


# --- labels -----------------------------------------------------------------------------------


def _compare_labels(question: Question) -> Evaluation:
    truths, predictions = label_files.read_labels(question.truth), label_files.read_labels(question.predictions)
    if truths.keys().isdisjoint(predictions):
        # One file may have the images' folders or endings and the other not.
        stems = label_files.by_stem(truths), label_files.by_stem(predictions)
        truths, predictions = (truths, predictions) if stems[0].keys().isdisjoint(stems[1]) else stems
    problems, notes = _unpaired(truths, predictions, question)
    names = sorted(truths.keys() & predictions.keys())
    known = question.known
    labels = known.names if known else label_files.in_class_order(row.label for row in truths.values())
    true, faults = label_files.indices(truths, labels, question.truth, numbered=known is not None)
    problems += faults
    guesses, faults = label_files.indices(
        {name: predictions[name] for name in names}, labels, question.predictions, numbered=known is not None
    )
    problems += faults
    if problems:
        raise InputError(problems[:_MOST])
    ignored = known.ignore_index if known else None
    if question.ignore is not None:
        if question.ignore not in labels:
            raise InputError.of(
                "--ignore", f"there is no class {question.ignore!r}", did_you_mean(question.ignore, labels)
            )
        ignored = list(labels).index(question.ignore)
    classes = Classes.of(labels, known.colors if known else None, ignored, count_against=question.count_against)
    truth, predicted = (np.array([side[name] for name in names]) for side in (true, guesses))
    confusion = Confusion(count(truth, predicted, len(classes)), classes)
    rows: list[dict[str, Any]] = []
    for name, expected, guess in zip(names, truth.tolist(), predicted.tolist(), strict=True):
        row = {"name": name, "truth": labels[expected], "prediction": labels[guess], "right": int(expected == guess)}
        rows.append({**row, "probability": predictions[name].probability})
    wrong = [row for row in rows if not row["right"] and (ignored is None or row["truth"] != labels[ignored])]
    wrong.sort(key=lambda row: -(row["probability"] or 0.0))
    worst = []
    if question.images is not None:
        worst = [_labelled_example(row, question.images) for row in wrong[: question.worst]]
    elif wrong:
        notes.append("no sheet of the worst images: name their folder with --images")
    return Evaluation(
        _title(question),
        _about(question),
        "labels",
        len(names),
        confusion.label_scores(),
        confusion,
        rows,
        worst,
        notes + confusion.notes("image"),
    )


def _labelled_example(row: Mapping[str, Any], folder: Path) -> Example:
    path = folder / str(row["name"])
    if not path.is_file():
        path = next((other for other in sorted(folder.glob("**/*")) if row["name"] in (other.name, other.stem)), path)
    share = "" if row["probability"] is None else f" {row['probability']:.2f}"
    return Example(row["name"], f"{row['truth']} →\n{row['prediction']}{share}", read_image(path)).thin()


# --- both -------------------------------------------------------------------------------------


def _title(question: Question) -> str:
    return f"{question.predictions} against {question.truth}"


def _about(question: Question) -> dict[str, Any]:
    return {"predictions": str(question.predictions), "truth": str(question.truth)}


def _some(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "") if names else "nothing"
