"""Tables of file names and labels in csv files, as people and spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from registry.errors import Problem, did_you_mean

#: Names of the columns, in lower case, the likeliest first.
FILE_COLUMNS: Final = ("filename", "image_id", "file", "image", "name")
LABEL_COLUMNS: Final = ("label", "class", "category", "target")


class Row(NamedTuple):
    """A row: its 1-based line, the file's name and the label's text, without spaces around them."""

    line: int
    file: str
    label: str


@dataclass(frozen=True)
class CsvTable:
    """A csv file's columns and the rows under them, cells without spaces around; 1-based line of each row's end."""

    path: Path
    columns: Sequence[str]
    cells: Sequence[tuple[int, Sequence[str]]]

    def rows(self, file_column: int, label_column: int) -> list[Row]:
        """The rows' files and labels; '' where a row is too short."""
        return [
            Row(line, "".join(cells[file_column : file_column + 1]), "".join(cells[label_column : label_column + 1]))
            for line, cells in self.cells
        ]

    def column(self, wanted: str | None, usual: Sequence[str], argument: str, problems: list[Problem]) -> int | None:
        """The index of a column, whatever its case; None, and a problem, where it is not there.

        Args:
            wanted: its name; None to look for the usual ones.
            usual: likely names, in lower case, the likeliest first.
            argument: the data set's argument that names it.
        """
        folded = [column.casefold() for column in self.columns]
        for name in usual if wanted is None else (wanted.strip().casefold(),):
            if name in folded:
                return folded.index(name)
        there = f"columns there: {', '.join(self.columns)}"
        if wanted is None:
            message, hint = f"has no column {' or '.join(usual)}", f"{there}; give {argument}, one of them"
        else:
            message, hint = f"has no column {wanted!r}", did_you_mean(wanted, self.columns, there) or there
        problems.append(Problem(str(self.path), message, hint, 1, str(self.path)))
        return None


def read_table(path: Path, problems: list[Problem]) -> CsvTable | None:
    """A csv file in UTF-8, with or without a byte order mark; None, and a problem, where it cannot be read."""
    cells = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if any(stripped := [cell.strip() for cell in row]):
                    cells.append((reader.line_num, stripped))
    except FileNotFoundError:
        problems.append(Problem(str(path), "is not there"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "is not text in UTF-8", "save it as 'CSV UTF-8'"))
    except (csv.Error, OSError) as error:
        problems.append(Problem(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}"))
    else:
        if cells:
            return CsvTable(path, cells[0][1], cells[1:])
        problems.append(Problem(str(path), "is empty", "its first line names the columns, such as filename,label"))
    return None
