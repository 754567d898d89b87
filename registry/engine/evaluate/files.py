"""Predictions in files against the truth in files: no model, and no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from rich.console import Console as Terminal

from ...errors import InputError, Problem, did_you_mean
from ..console import Console
from ..data import labels as label_files
from ..data.classes import Classes, KnownClasses
from ..data.images import UnreadableImage, read_image
from ..data.labels import ImageLabel, in_class_order
from ..data.masks import MaskReader, comparing_reader
from ..data.pairs import find_images, find_masks, with_common_names
from .confusion import Confusion
from .figures import Example
from .per_image import Tally
from .report import Evaluation
from .several import SeveralTally

IgnoredPixels = Literal["leave_out", "count_against"]
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
        separator: between the several labels of an image, in a cell of both files; None where an image has one.
    """

    predictions: Path
    truth: Path
    images: Path | None = None
    known: KnownClasses | None = None
    ignore: str | None = None
    count_against: bool = False
    allow_missing: bool = False
    worst: int = 12
    separator: str | None = None


def known_from_run(run: Path, ignored_pixels: IgnoredPixels | None) -> tuple[KnownClasses, bool]:
    """The classes of a run folder, and whether predictions on ignored pixels count against them.

    Args:
        run: the folder.
        ignored_pixels: the rule that is asked for; None for the run's own, see ``scoring_rule``.

    Raises:
        InputError: it is not a run folder, or its data have no classes.
    """
    file = run / "environment.json"
    if not file.is_file():
        raise InputError.of(str(run), "is not a run folder: it has no environment.json", "--like takes a run folder")
    facts = json.loads(file.read_text(encoding="utf-8")).get("facts", {})
    if "class_names" not in facts:
        raise InputError.of(str(run), "is a run whose data have no classes", "name them with --classes")
    recorded = run / "plan.json"
    plan = json.loads(recorded.read_text(encoding="utf-8")) if recorded.is_file() else {}
    rule = scoring_rule(plan, ignored_pixels)
    labels = (facts["class_names"], facts.get("class_colors"), facts.get("ignore_index"))
    return KnownClasses(*labels, left_out=rule["left_out"], given=True), rule["count_against"]


def scoring_rule(plan: Mapping[str, Any], ignored_pixels: IgnoredPixels | None) -> dict[str, Any]:
    """``count_against`` and ``left_out`` of ``Classes``, by the first metric of a run that has a rule for these.

    Args:
        plan: ``plan.json`` of the run.
        ignored_pixels: the rule that is asked for; where it is not the metric's, the metric's ``left_out`` does not
            hold either.
    """

    def rules(value: Any) -> Iterator[Mapping[str, Any]]:
        if isinstance(value, Mapping):
            if value.get("kind") == "metrics" and "ignored_pixels" in value["arguments"]:
                yield value["arguments"]
            value = list(value.values())
        for item in value if isinstance(value, list) else ():
            yield from rules(item)

    own = next(rules(plan), {"ignored_pixels": "leave_out"})
    if ignored_pixels in (None, own["ignored_pixels"]):
        return {"count_against": own["ignored_pixels"] == "count_against", "left_out": own.get("left_out")}
    return {"count_against": ignored_pixels == "count_against", "left_out": None}


def compare(question: Question, terminal: Terminal) -> Evaluation:
    """Pair predictions with the truth by name and score them.

    Raises:
        InputError: with every problem, 20 at most: nothing to pair, missing predictions, unreadable files, labels of no
            class, sizes that differ.
    """
    predictions, truth = question.predictions, question.truth
    for path in (predictions, truth):
        if not path.exists():
            raise InputError.of(str(path), "does not exist")
    if predictions.is_dir() != truth.is_dir():
        raise InputError.of(
            f"{predictions}, {truth}",
            "are a folder and a file: expected two of one kind",
            "two folders of masks, or two CSV files: filename,label",
        )
    if truth.is_dir():
        tally, worst, notes = _compare_masks(question, Console(terminal))
    else:
        tally, worst, notes = _compare_labels(question)
    about = {"predictions": str(predictions), "truth": str(truth)}
    notes = notes + tally.confusion.notes(tally.unit)
    return Evaluation(f"{predictions} against {truth}", about, len(tally.rows), tally.scores(), tally, worst, notes)


def _compare_masks(question: Question, console: Console) -> tuple[Tally, list[Example], list[str]]:
    truths, predictions = with_common_names(find_masks(question.truth), find_masks(question.predictions))
    names, problems, notes = _paired(truths, predictions, question)
    if not names:
        raise InputError(problems)
    reader, classes = comparing_reader(
        [truths[name] for name in names],
        [predictions[name] for name in names],
        question.known,
        ignore=question.ignore,
        count_against=question.count_against,
    )
    tally = Tally(classes)
    for name in console.track(names, len(names), "comparing", "files"):
        try:
            truth, predicted = _read_pair(reader, truths[name], predictions[name])
            tally.add_mask(name, Confusion.of(truth, predicted, classes))
        except InputError as error:
            problems += error.problems
            if len(problems) >= _MOST:
                break
    if problems:
        raise InputError(problems[:_MOST])
    if not tally.confusion.known.any():
        raise InputError.of(str(question.truth), "contains only the ignored label", "check --ignore")
    pictures = find_images(question.images or question.truth, truths)
    worst = []
    for at in tally.worst(question.worst):  # read anew: all masks of a large set would not fit into memory
        name = names[at]
        image = read_image(pictures[name]) if name in pictures else None
        masks = (reader(truths[name]), reader(predictions[name]))
        worst.append(Example(name, tally.caption(at), image, *masks).thin())
    return tally, worst, notes


def _read_pair(reader: MaskReader, truth: Path, predicted: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both masks.

    Raises:
        InputError: every problem of the pair at once.
    """
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
        problems.append(Problem(str(predicted), message, "predictions must have the size of the truth"))
    if problems:
        raise InputError(problems)
    return masks[0], masks[1]


def _compare_labels(question: Question) -> tuple[Tally, list[Example], list[str]]:
    several = question.separator is not None
    truths, predictions = (
        label_files.read_labels(path, several=several) for path in (question.truth, question.predictions)
    )
    if truths.keys().isdisjoint(predictions):
        # One file may have the images' folders or endings and the other not.
        stems = label_files.by_stem(truths), label_files.by_stem(predictions)
        truths, predictions = (truths, predictions) if stems[0].keys().isdisjoint(stems[1]) else stems
    names, problems, notes = _paired(truths, predictions, question)
    compared = {name: predictions[name] for name in names}
    tally = (_tally_several if several else _tally_labels)(question, truths, compared, problems)
    if question.images is None:
        notes += ["no sheet of the worst images: name their folder with --images"] if tally.worst(1) else []
        return tally, [], notes
    worst = []
    for at in tally.worst(question.worst):
        path = question.images / names[at]
        if not path.is_file():
            others = sorted(question.images.glob("**/*"))
            path = next((other for other in others if names[at] in (other.name, other.stem)), path)
        worst.append(Example(names[at], tally.caption(at), read_image(path), right=tally.right(at)).thin())
    return tally, worst, notes


def _tally_several(
    question: Question, truths: Mapping[str, ImageLabel], compared: Mapping[str, ImageLabel], problems: list[Problem]
) -> Tally:
    """The images that ``compared`` holds, each with any number of labels; ``problems`` are those of the pairing."""

    def parts(row: ImageLabel) -> set[str]:
        return {label.strip() for label in row.label.split(question.separator)} - {""}

    names = list(question.known.names if question.known else in_class_order(set().union(*map(parts, truths.values()))))
    for path, rows in ((question.truth, truths), (question.predictions, compared)):
        for name, row in rows.items():
            for label in sorted(parts(row) - set(names)):
                message = f"{name} has the label {label!r}, which is not a class"
                problems.append(Problem(str(path), message, did_you_mean(label, names), row.line, str(path)))
    if problems:
        raise InputError(problems[:_MOST])
    tally = SeveralTally(Classes.of(names, question.known.colors if question.known else None))
    for name, row in compared.items():
        flags = [[int(label in found) for label in names] for found in (parts(truths[name]), parts(row))]
        tally.add_labels(name, *flags, known=False)
    return tally


def _tally_labels(
    question: Question, truths: Mapping[str, ImageLabel], compared: Mapping[str, ImageLabel], problems: list[Problem]
) -> Tally:
    """The images that ``compared`` holds, each with one label."""
    known = question.known or KnownClasses(in_class_order(row.label for row in truths.values()))
    labels, numbered = list(known.names), question.known is not None
    true, unknown = label_files.indices(truths, labels, question.truth, numbered=numbered)
    guesses, unknown_guesses = label_files.indices(compared, labels, question.predictions, numbered=numbered)
    if problems := [*problems, *unknown, *unknown_guesses]:
        raise InputError(problems[:_MOST])
    ignored = known.ignore_index
    if question.ignore is not None:
        if question.ignore not in labels:
            hint = did_you_mean(question.ignore, labels)
            raise InputError.of("--ignore", f"{question.ignore!r} is not a class", hint)
        ignored = labels.index(question.ignore)
    tally = Tally(Classes.of(labels, known.colors, ignored, count_against=question.count_against), "labels")
    for name, row in compared.items():
        truth, guess, probability = true[name], guesses[name], row.probability
        # Shown are wrong predictions, the surest first.
        shown = truth not in (guess, ignored)
        tally.add_label(name, truth, guess, -(probability or 0.0) if shown else np.nan, probability=probability)
    return tally


def _paired(
    truths: Mapping[str, Any], predictions: Mapping[str, Any], question: Question
) -> tuple[list[str], list[Problem], list[str]]:
    """The names of both sides, and problems and notes on those that only one side has."""
    missing, further = sorted(truths.keys() - predictions.keys()), sorted(predictions.keys() - truths.keys())
    problems, notes = [], []
    if len(missing) == len(truths):
        message = f"has none of the names in {question.truth}: {_some(further, 3)}, not {_some(missing, 3)}"
        problems.append(Problem(str(question.predictions), message, "predictions are paired with the truth by name"))
    elif missing and question.allow_missing:
        notes.append(f"left out without a prediction: {len(missing)} of {len(truths)} images: {_some(missing, 10)}")
    elif missing:
        message = f"has no prediction for {len(missing)} of {len(truths)} images: {_some(missing, _MOST)}"
        problems.append(Problem(str(question.predictions), message, "--allow-missing leaves them out of the scores"))
    if further and len(missing) < len(truths):
        notes.append(
            f"left out without truth: {len(further)} prediction{'s' * (len(further) > 1)}: {_some(further, 10)}"
        )
    return sorted(truths.keys() & predictions.keys()), problems, notes


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "") if names else "nothing"
