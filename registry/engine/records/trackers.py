"""What a run writes while it trains: TensorBoard events and embeddings, ``metrics.csv``, ``metrics.jsonl``."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import files
from .epoch import EpochRecord

#: What the embedding projector reads, in the folder of the events.
CONFIG: Final = "projector_config.pbtxt"
#: Longest side of the image that holds all thumbnails; browsers show no larger one.
SPRITE_LIMIT: Final = 8192


class Trackers:
    """The files of one run.

    Args:
        folder: the run folder.
        tensorboard: the folder for events.
        after: the last epoch that a resumed run keeps, 0 for a new one; later rows and events are dropped.
    """

    def __init__(self, folder: Path, tensorboard: Path, after: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.records = [record for record in _read(folder / "metrics.jsonl") if record.epoch <= after]
        self._write_files()
        # purge_step hides the events that a resumed run is about to write again.
        self.writer = SummaryWriter(str(tensorboard), purge_step=after + 1 if after else None)
        self._events, self._embedded = tensorboard, set[tuple[str, int]]()
        embeddings = _read_projector(tensorboard).embeddings
        kept = [entry for entry in embeddings if int(entry.tensor_name.rpartition(":")[2]) <= after]
        if len(kept) < len(embeddings):
            _write_projector(tensorboard, kept)

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
        """Write vectors for TensorBoard's embedding projector, once for a tag and an epoch.

        Args:
            tag: a plain word.
            features: (N, D).
            table: N rows of metadata, in the columns of the header.
            header: at least two names.
            thumbnails: (N, H, W, 3) uint8, reduced where all of them would not fit into one image.
            epoch: 1-based.
        """
        import torch

        if (tag, epoch) in self._embedded:
            return
        self._embedded.add((tag, epoch))
        # torch would print a warning into the progress bar about the files of an interrupted run.
        shutil.rmtree(self._events / f"{epoch:05d}" / tag, ignore_errors=True)
        before = _read_projector(self._events)
        images = torch.from_numpy(fitting(thumbnails)).permute(0, 3, 1, 2).float() / 255
        rows = [[" ".join(str(cell).split()) for cell in row] for row in table]  # a tab would begin another column
        with contextlib.redirect_stdout(sys.stderr):
            self.writer.add_embedding(torch.from_numpy(features), rows, images, epoch, tag, list(header))
        # torch's list holds only what this process has written.
        written = (*before.embeddings, *_read_projector(self._events).embeddings)
        entries = {entry.tensor_name: entry for entry in written}
        _write_projector(self._events, [entries[name] for name in sorted(entries)])

    def text(self, tag: str, text: str) -> None:
        """Write a text, in Markdown."""
        self.writer.add_text(tag, text)

    def close(self) -> None:
        """Flush and close the event file; without it the last events are lost."""
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


def fitting(thumbnails: np.ndarray, limit: int = SPRITE_LIMIT) -> np.ndarray:
    """Thumbnails (N, H, W, 3) uint8, made square and small enough that a grid of all of them fits into the limit."""
    import cv2

    count, side = len(thumbnails), max(thumbnails.shape[1:3])
    wanted = min(side, limit // max(int(np.ceil(np.sqrt(count))), 1))
    if thumbnails.shape[1:3] == (wanted, wanted):
        return thumbnails
    return np.stack([cv2.resize(one, (wanted, wanted), interpolation=cv2.INTER_AREA) for one in thumbnails])


def _read_projector(folder: Path) -> Any:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    path, config = folder / CONFIG, ProjectorConfig()
    if path.exists():
        # torch writes the list in place: a process killed while writing leaves half of it.
        with contextlib.suppress(text_format.ParseError):
            text_format.Parse(path.read_text(encoding="utf-8"), config)
    return config


def _write_projector(folder: Path, entries: Sequence[Any]) -> None:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    files.write_text(folder / CONFIG, text_format.MessageToString(ProjectorConfig(embeddings=entries)))
