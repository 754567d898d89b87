"""CSV files with a label for each image."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from ...errors import InputError, Problem

#: Columns that hold the image's name, its label, and the prediction's probability, the likelier ones first.
_NAMES: Final = ("filename", "image_id", "name", "image", "file", "id")
_LABELS: Final = ("label", "prediction", "predicted", "class", "target", "truth")
_PROBABILITIES: Final = ("probability", "confidence", "score")
#: Faults that are told at once.
_MOST: Final = 20


@dataclass(frozen=True)
class Labelled:
    """A label of an image.

    Attributes:
        label: as the file has it, without blanks around it.
        probability: of that label, when the file tells.
        line: in the file, 1-based.
    """

    label: str
    probability: float | None
    line: int


def read_labels(path: Path) -> dict[str, Labelled]:
    """Image name -> label, of a CSV file with a heading such as ``filename,label`` or ``image_id,label``.

    Raises:
        InputError: no such file, no such columns, no rows, or an image twice; with every such fault.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of(str(path), f"cannot be read: {error}") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
    name_of, label_of, probability_of = (
        next((columns[name] for name in wanted if name in columns), None)
        for wanted in (_NAMES, _LABELS, _PROBABILITIES)
    )
    if name_of is None or label_of is None:
        message = f"has the columns {', '.join(columns) or 'none'}, and an image and its label are needed"
        raise InputError.of(str(path), message, "begin the file with the line: filename,label")
    found: dict[str, Labelled] = {}
    problems: list[Problem] = []
    for row in reader:
        name, label = (str(row[column] or "").strip() for column in (name_of, label_of))
        line = reader.line_num
        if not name or not label:
            problems.append(Problem(str(path), "a row without name or label", None, line, str(path)))
        elif name in found:
            problems.append(Problem(str(path), f"{name} is there twice", "keep one row", line, str(path)))
        else:
            found[name] = Labelled(label, _number(row[probability_of]) if probability_of else None, line)
    if problems:
        raise InputError(problems[:_MOST])
    if not found:
        raise InputError.of(str(path), "has no rows")
    return found


def by_stem(rows: Mapping[str, Labelled]) -> dict[str, Labelled]:
    """The same by the names' stems; as they are where two stems are the same."""
    stems = {PurePath(name).stem: row for name, row in rows.items()}
    return stems if len(stems) == len(rows) else dict(rows)


def in_order(labels: set[str]) -> list[str]:
    """Labels sorted, as numbers where all are numbers."""
    return sorted(labels, key=int) if all(label.isdecimal() for label in labels) else sorted(labels)


def indices(
    rows: Mapping[str, Labelled], names: Sequence[str], path: Path, *, numbered: bool
) -> tuple[dict[str, int], list[Problem]]:
    """Image name -> index of its class, and what is wrong.

    Args:
        rows: of a file.
        names: of the classes.
        path: the file.
        numbered: whether a file none of whose labels is a name may hold the classes' indices.
    """
    table = {name: index for index, name in enumerate(names)}
    if numbered and not any(row.label in table for row in rows.values()):
        table = {str(index): index for index in range(len(names))}
    strange = {name: row for name, row in rows.items() if row.label not in table}
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    problems = [
        Problem(str(path), f"{name} has the label {row.label!r}, no class", f"classes: {known}", row.line, str(path))
        for name, row in list(strange.items())[:_MOST]
    ]
    return {name: table[row.label] for name, row in rows.items() if name not in strange}, problems


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
