"""What a run writes while it trains: TensorBoard events, ``metrics.csv`` and ``metrics.jsonl``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import files
from .epoch import EpochRecord
from .projector import add_embedding, forget_after


class Trackers:
    """The files of one run.

    Args:
        folder: the run folder.
        tensorboard: the folder for events.
        after: the epoch after which a resumed run goes on, 0 for a new one; later rows and events are dropped.
    """

    def __init__(self, folder: Path, tensorboard: Path, after: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.records = [record for record in _read(folder / "metrics.jsonl") if record.epoch <= after]
        self._write_files()
        # purge_step hides the events that a resumed run is about to write again.
        self.writer = SummaryWriter(str(tensorboard), purge_step=after + 1 if after else None)
        self._events, self._embedded = tensorboard, set[tuple[str, int]]()
        forget_after(tensorboard, after)

    def epoch(self, record: EpochRecord) -> None:
        """Write the figures of an epoch."""
        self.records.append(record)
        self._write_files()
        for group, figures in (("train", record.train), ("val", record.val), ("run", record.run)):
            for name, value in figures.items():
                self.writer.add_scalar(f"{group}/{name}", value, record.epoch)
        self.writer.flush()

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        """Write a picture, uint8 (H, W, 3)."""
        self.writer.add_image(tag, picture, epoch, dataformats="HWC")

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Write a number that is not one of the epoch's scores, such as a report's."""
        self.writer.add_scalar(tag, value, epoch)

    def embedding(
        self,
        tag: str,
        features: np.ndarray,
        table: Sequence[Sequence[str]],
        header: Sequence[str],
        thumbnails: np.ndarray,
        epoch: int,
    ) -> None:
        """Write vectors for the embedding projector, once for a tag and an epoch; see ``projector.add_embedding``."""
        if (tag, epoch) not in self._embedded:
            self._embedded.add((tag, epoch))
            add_embedding(self.writer, self._events, tag, features, table, header, thumbnails, epoch)

    def text(self, tag: str, text: str) -> None:
        """Write a text, in Markdown."""
        self.writer.add_text(tag, text)

    def close(self) -> None:
        """Write what is still in memory; without it the last events are lost."""
        self.writer.close()

    def _write_files(self) -> None:
        if not self.records:
            return
        rows = [record.columns() for record in self.records]
        lines = "".join(files.to_json(row) + "\n" for row in rows)
        files.write_text(self.folder / "metrics.jsonl", lines)
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files.write_text(self.folder / "metrics.csv", table.getvalue())


def _read(path: Path) -> list[EpochRecord]:
    """The records that ``metrics.jsonl`` holds, where null stands for NaN."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [EpochRecord.from_columns({k: math.nan if v is None else v for k, v in row.items()}) for row in rows]
