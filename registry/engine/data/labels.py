"""CSV files that name images and their labels: read in the same way by data sets, ``predict`` and ``evaluate``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, NamedTuple

from ...errors import InputError, Problem, did_you_mean

#: Accepted names of the columns, in lower case; of several that are present, the first counts.
IMAGE_COLUMNS: Final = ("filename", "image_id", "file", "image", "name", "id")
LABEL_COLUMNS: Final = ("label", "prediction", "predicted", "class", "category", "target", "truth")
PROBABILITY_COLUMNS: Final = ("probability", "confidence", "score")
#: Between the labels of an image that has several.
SEPARATOR: Final = ";"
#: Problems that are reported at once.
_MOST: Final = 20


@dataclass(frozen=True)
class LabelTable:
    """A CSV file as it was read.

    Attributes:
        path: the file.
        columns: their names.
        rows: (1-based line where the row ends, its cells, at least one a column); rows without any text are left out.
    """

    path: Path
    columns: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]

    def find(self, accepted: Iterable[str]) -> int | None:
        """The index of the first accepted column, in any case; None where there is none."""
        folded = [column.casefold() for column in self.columns]
        return next((folded.index(name) for name in accepted if name in folded), None)

    def column(self, accepted: Sequence[str], chosen: str | None = None, argument: str | None = None) -> int:
        """The index of a column.

        Args:
            accepted: names to look for, the likeliest first.
            chosen: the only name to look for, in place of the accepted ones.
            argument: the argument that takes ``chosen``, for the hint.

        Raises:
            InputError: the file has no such column.
        """
        index = self.find(accepted if chosen is None else (chosen.strip().casefold(),))
        if index is not None:
            return index
        present = f"its columns are {', '.join(self.columns)}"
        if chosen is not None:
            message, hint = f"has no column {chosen!r}", did_you_mean(chosen, self.columns, present)
        else:
            message = f"has no column named {' or '.join(accepted)}"
            hint = f"{present}; set {argument} to one of them" if argument else f"{present}; rename one of them"
        raise InputError([Problem(str(self.path), message, hint, 1, str(self.path))])


def read_label_table(path: Path) -> LabelTable:
    """A CSV file in UTF-8, with or without a byte order mark; cells are stripped of surrounding spaces.

    Raises:
        InputError: it is missing, empty or not CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            stripped = ((reader.line_num, [text.strip() for text in row]) for row in reader)
            rows = [(line, cells) for line, cells in stripped if any(cells)]
    except FileNotFoundError:
        raise InputError.of(str(path), "does not exist") from None
    except UnicodeDecodeError:
        raise InputError.of(str(path), "is not text in UTF-8", "save it as 'CSV UTF-8'") from None
    except (csv.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError.of(str(path), f"cannot be read: {reason}") from error
    if not rows:
        raise InputError.of(str(path), "is empty", "its first line names the columns, such as filename,label")
    (_, columns), *rest = rows
    return LabelTable(path, columns, [(line, cells + [""] * (len(columns) - len(cells))) for line, cells in rest])


class ImageLabel(NamedTuple):
    """An image's label in a table.

    Attributes:
        label: its text.
        probability: of that label; None where the table has none.
        line: 1-based line in the file.
    """

    label: str
    probability: float | None
    line: int


def read_labels(path: Path, *, several: bool = False) -> dict[str, ImageLabel]:
    """Image name -> label, from a CSV file with a header such as ``filename,label``.

    Args:
        path: the file.
        several: whether a cell holds several labels; an empty one is then an image without any.

    Raises:
        InputError: as ``read_label_table``; a column is missing, the table is empty, a row lacks a name or a label, or
            an image is listed twice; all problems at once, 20 at most.
    """
    table = read_label_table(path)
    image, label = table.column(IMAGE_COLUMNS), table.column(LABEL_COLUMNS)
    share = table.find(PROBABILITY_COLUMNS)
    found: dict[str, ImageLabel] = {}
    problems: list[Problem] = []
    for line, cells in table.rows:
        name, text, probability = cells[image], cells[label], None
        with suppress(ValueError):
            probability = None if share is None else float(cells[share])
        if not name or not (text or several):
            hint = None if not name else "with several labels in a cell, or none: --separator ';'"
            problems.append(Problem(str(path), "the row has no image name or no label", hint, line, str(path)))
        elif name in found:
            problems.append(Problem(str(path), f"{name} is listed twice", "keep one row", line, str(path)))
        else:
            found[name] = ImageLabel(text, probability, line)
    if problems:
        raise InputError(problems[:_MOST])
    if not found:
        raise InputError.of(str(path), "has no rows below its header")
    return found


def by_stem(rows: Mapping[str, ImageLabel]) -> dict[str, ImageLabel]:
    """The same by the stems of the names; unchanged where two stems are equal."""
    stems = {PurePath(name).stem: row for name, row in rows.items()}
    return stems if len(stems) == len(rows) else dict(rows)


def in_class_order(names: Iterable[str]) -> list[str]:
    """Class names in the order of their labels: numerical where all are whole numbers, else alphabetical.

    So 10 follows 9, and where the names are 0 to n - 1 each name is its label.
    """
    distinct = sorted(set(names))
    numerical = all(name.isascii() and name.isdecimal() for name in distinct)
    return sorted(distinct, key=int) if numerical else distinct


def indices(
    rows: Mapping[str, ImageLabel], names: Sequence[str], path: Path, *, numbered: bool
) -> tuple[dict[str, int], list[Problem]]:
    """Image name -> index of its class, and a problem for each label that is not a class.

    Args:
        rows: of a file.
        names: of the classes.
        path: the file.
        numbered: whether a file in which no label is a class name may hold indices instead.
    """
    table = {name: index for index, name in enumerate(names)}
    if numbered and not any(row.label in table for row in rows.values()):
        table = {str(index): index for index in range(len(names))}
    unknown = [(name, row) for name, row in rows.items() if row.label not in table]
    hint = f"classes: {', '.join(names[:20])}{', ...' * (len(names) > 20)}"
    problems = []
    for name, row in unknown[:_MOST]:
        message = f"{name} has the label {row.label!r}, which is not a class"
        problems.append(Problem(str(path), message, hint, row.line, str(path)))
    return {name: table[row.label] for name, row in rows.items() if row.label in table}, problems
