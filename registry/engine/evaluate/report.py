"""What an evaluation found, and the folder that keeps it."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ... import files
from ...errors import InputError
from ..data.drawing import save
from .confusion import Confusion
from .figures import Example, draw_confusion, draw_examples


@dataclass(frozen=True)
class Evaluation:
    """Scores of predictions against the truth.

    Attributes:
        title: what was evaluated, for figures.
        about: where truth and predictions come from.
        kind: ``masks`` or ``labels``; None where only scores are known.
        images: how many were evaluated.
        scores: name -> value; None where it is undefined.
        confusion: of pixels or images; None where ``kind`` is.
        rows: of each image: ``name`` and its scores.
        worst: the worst images, the worst first.
        notes: what the reader should know, in sentences.
    """

    title: str
    about: Mapping[str, Any]
    kind: Literal["masks", "labels"] | None
    images: int
    scores: Mapping[str, float | None]
    confusion: Confusion | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    worst: Sequence[Example] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """What the confusion matrix counts."""
        return "pixels" if self.kind == "masks" else "images"

    def as_json(self) -> dict[str, Any]:
        """Everything but pictures and the scores of single images; what is not a finite number is None."""
        report: dict[str, Any] = {**self.about, "kind": self.kind, "images": self.images}
        report["scores"] = {name: _number(value) for name, value in self.scores.items()}
        if self.confusion is not None:
            classes = self.confusion.classes
            predicted, neither = self.confusion.nowhere_true()
            report["classes"] = {name: own._asdict() for name, own in self.confusion.by_class.items()}
            report["ignored"] = classes.names[classes.ignored] if classes.ignored is not None else None
            report["ignored_pixels"] = "count_against" if classes.count_against else "leave_out"
            report["nowhere_true"] = {"predicted": predicted, "in_neither": neither}
        report["worst"] = [example.name for example in self.worst]
        report["notes"] = self.notes
        return report


def require_writable(folder: Path) -> None:
    """Raises:
    InputError: nothing can be written there.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError.of(str(folder), f"cannot be written: {there} is a file", "name another folder with --out")
    if not os.access(there, os.W_OK):
        raise InputError.of(str(folder), f"cannot be written: {there} is read-only", "name another folder with --out")


def write(found: Evaluation, folder: Path) -> list[Path]:
    """Write scores, tables and figures; files of an earlier evaluation that this one does not write are removed.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"scores.json": files.to_json(found.as_json(), indent=2) + "\n"}
    if found.rows:
        names = list(found.rows[0])
        texts["per_image.csv"] = _table(names, [[_cell(row[name]) for name in names] for row in found.rows])
    figures: dict[str, Any] = {}
    if found.confusion is not None:
        confusion = found.confusion
        names = list(confusion.classes.names)
        lines = [[name, *row] for name, row in zip(names, confusion.counts.tolist(), strict=True)]
        texts["confusion_matrix.csv"] = _table(["truth \\ prediction", *names], lines)
        figures["confusion_matrix.png"] = draw_confusion(confusion, found.title, found.unit)
        if found.worst:
            figures["worst.png"] = draw_examples(found.worst, confusion.classes, found.title)
    for name in ("per_image.csv", "confusion_matrix.csv", "confusion_matrix.png", "worst.png"):
        if name not in texts and name not in figures:
            (folder / name).unlink(missing_ok=True)
    for name, text in texts.items():
        files.write_text(folder / name, text)
    for name, figure in figures.items():
        save(figure, folder / name)
    return [folder / name for name in (*texts, *figures)]


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if _number(value) is None else value


def _number(value: Any) -> Any:
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
