"""Small files beside a figure, for pages that show it anew: images, sheets of thumbnails, tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from registry.engine import displayed


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write an image (H, W, C) as a JPEG, as ``displayed`` shows it."""
    Image.fromarray(displayed(pixels)).save(path, quality=85)


def write_thumbnails(path: Path, thumbnails: np.ndarray) -> None:
    """Write (N, S, S, 3) uint8 as one JPEG: row by row, ceil(sqrt(N)) in each row."""
    count, side = thumbnails.shape[:2]
    columns = int(np.ceil(np.sqrt(count)))
    padded = np.zeros((-(-count // columns) * columns, side, side, 3), np.uint8)
    padded[:count] = thumbnails
    sheet = padded.reshape(-1, columns, side, side, 3).swapaxes(1, 2)
    write_picture(path, sheet.reshape(-1, columns * side, 3))


def write_table(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV, the header among them."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
