"""The results of an evaluation, and the folder that keeps them."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import files
from ...errors import InputError
from ..data.drawing import save
from .figures import Example, draw_confusion, draw_examples
from .per_image import Tally


@dataclass(frozen=True)
class Evaluation:
    """Scores of predictions against the truth.

    Attributes:
        title: what was evaluated, for figures.
        about: where truth and predictions come from.
        images: how many were evaluated.
        scores: name -> value; None where it is undefined.
        tally: the images; None where only scores are known.
        worst: the worst images, the worst first.
        notes: what the reader should know, in sentences.
    """

    title: str
    about: Mapping[str, Any]
    images: int
    scores: Mapping[str, float | None]
    tally: Tally | None = None
    worst: Sequence[Example] = ()
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Everything but pictures and the scores of single images; what is not a finite number is None."""
        report: dict[str, Any] = {**self.about, "kind": self.tally.kind if self.tally else None, "images": self.images}
        report["scores"] = {name: finite(value) for name, value in self.scores.items()}
        if self.tally is not None:
            classes, confusion = self.tally.classes, self.tally.confusion
            predicted, neither = confusion.nowhere_true()
            report["classes"] = {name: own._asdict() for name, own in confusion.by_class.items()}
            report["ignored"] = classes.names[classes.ignored] if classes.ignored is not None else None
            report["ignored_pixels"] = "count_against" if classes.count_against else "leave_out"
            report["nowhere_true"] = {"predicted": predicted, "in_neither": neither}
        return {**report, "worst": [example.name for example in self.worst], "notes": self.notes}


def require_writable(folder: Path) -> None:
    """Raises:
    InputError: nothing can be written there.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    reason = "is a file" if not existing.is_dir() else "" if os.access(existing, os.W_OK) else "is read-only"
    if reason:
        raise InputError.of(str(folder), f"cannot be written: {existing} {reason}", "name another folder with --out")


def write(found: Evaluation, folder: Path) -> list[Path]:
    """Write scores, tables and figures; files of an earlier evaluation that this one does not write are removed.

    A folder that holds nothing gets all of them at once, or none.

    Returns:
        The files.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir() and any(folder.iterdir()):
        return _write(found, folder)
    with files.atomic_folder(folder) as partial:
        partial.mkdir()
        written = _write(found, partial)
    return [folder / path.name for path in written]


def _write(found: Evaluation, folder: Path) -> list[Path]:
    texts = {"scores.json": files.to_json(found.as_json(), indent=2) + "\n"}
    figures: dict[str, Any] = {}
    if (tally := found.tally) is not None:
        names = tally.classes.names
        texts["per_image.csv"] = as_csv(tally.rows[0], [map(finite, row.values()) for row in tally.rows])
        if tally.kind != "multilabel":  # whose classes do not exclude one another
            lines = [[name, *row] for name, row in zip(names, tally.counts.tolist(), strict=True)]
            texts["confusion_matrix.csv"] = as_csv(["truth \\ prediction", *names], lines)
            figures["confusion_matrix.png"] = draw_confusion(tally.confusion, found.title, f"{tally.unit}s")
        if found.worst:
            figures["worst.png"] = draw_examples(found.worst, tally.classes, found.title, tally.captions)
    for name in {"per_image.csv", "confusion_matrix.csv", "confusion_matrix.png", "worst.png"} - {*texts, *figures}:
        (folder / name).unlink(missing_ok=True)
    for name, text in texts.items():
        files.write_text(folder / name, text)
    for name, figure in figures.items():
        save(figure, folder / name)
    return [folder / name for name in (*texts, *figures)]


def as_csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """As CSV; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
