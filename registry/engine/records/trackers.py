"""What a run writes while it learns: TensorBoard events, ``metrics.csv`` and ``metrics.jsonl``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import files
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
        self.rows = [row for row in _read_rows(folder / "metrics.jsonl") if row["epoch"] <= after]
        self._write_files()
        # purge_step hides the events that a resumed run is about to write again.
        self.writer = SummaryWriter(str(tensorboard), purge_step=after + 1 if after else None)
        self._events, self._embedded = tensorboard, set[tuple[str, int]]()
        forget_after(tensorboard, after)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Write the figures of an epoch: ``epoch``, ``lr``, ``train_...``, and scores."""
        self.rows.append(dict(row))
        self._write_files()
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                self.writer.add_scalar(_tag(name), value, epoch)
        self.writer.flush()

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        """Write a picture, uint8 (H, W, 3)."""
        self.writer.add_image(tag, picture, epoch, dataformats="HWC")

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Write a figure that is none of the epoch's row, such as a report's."""
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
        if not self.rows:
            return
        lines = "".join(files.to_json(row) + "\n" for row in self.rows)
        files.write_text(self.folder / "metrics.jsonl", lines)
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        files.write_text(self.folder / "metrics.csv", table.getvalue())


def _tag(name: str) -> str:
    """``train_loss`` -> ``train/loss``; scores go below ``val/``, what describes the run below ``run/``."""
    if name.startswith("train_"):
        return f"train/{name.removeprefix('train_')}"
    if name in ("lr", "images_per_second", "seconds"):
        return f"run/{name}"
    return f"val/{name.removeprefix('val_')}"


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
