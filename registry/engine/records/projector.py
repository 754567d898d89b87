"""Feature vectors for TensorBoard's embedding projector: every stage of a run, each once, also after a resumed one."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import files

#: What the projector reads, in the folder of the events.
CONFIG: Final = "projector_config.pbtxt"
#: Longest side of the picture that holds all thumbnails; browsers show no larger one.
SPRITE_LIMIT: Final = 8192


def add_embedding(
    writer: Any,
    folder: Path,
    tag: str,
    features: np.ndarray,
    table: Sequence[Sequence[str]],
    header: Sequence[str],
    thumbnails: np.ndarray,
    epoch: int,
) -> None:
    """Write the vectors of an epoch beside the events, and name them in the projector's list.

    Args:
        writer: torch's ``SummaryWriter`` for the folder.
        folder: of the events.
        tag: a plain word.
        features: (N, D).
        table: N rows of what is known of each vector, in the columns of the header.
        header: at least two names.
        thumbnails: (N, H, W, 3) uint8, reduced where all of them would not fit into one picture.
        epoch: 1-based.
    """
    import torch

    # What an interrupted run left; torch writes into it, but says so in the middle of the progress bar.
    shutil.rmtree(folder / f"{epoch:05d}" / tag, ignore_errors=True)
    before = _read(folder)
    pictures = torch.from_numpy(fitting(thumbnails)).permute(0, 3, 1, 2).float() / 255
    rows = [[" ".join(str(cell).split()) for cell in row] for row in table]  # a tab would begin another column
    with contextlib.redirect_stdout(sys.stderr):
        writer.add_embedding(torch.from_numpy(features), rows, pictures, epoch, tag, list(header))
    # torch's list holds only what this process has written.
    entries = {entry.tensor_name: entry for entry in (*before.embeddings, *_read(folder).embeddings)}
    _write(folder, [entries[name] for name in sorted(entries)])


def forget_after(folder: Path, epoch: int) -> None:
    """Take the epochs after this one off the projector's list: a resumed run goes another way from here."""
    config = _read(folder)
    kept = [entry for entry in config.embeddings if int(entry.tensor_name.rpartition(":")[2]) <= epoch]
    if len(kept) < len(config.embeddings):
        _write(folder, kept)


def fitting(thumbnails: np.ndarray, limit: int = SPRITE_LIMIT) -> np.ndarray:
    """Thumbnails (N, H, W, 3) uint8, square and so small that a square of all of them keeps to the limit."""
    import cv2

    count, side = len(thumbnails), max(thumbnails.shape[1:3])
    wanted = min(side, limit // max(int(np.ceil(np.sqrt(count))), 1))
    if thumbnails.shape[1:3] == (wanted, wanted):
        return thumbnails
    return np.stack([cv2.resize(one, (wanted, wanted), interpolation=cv2.INTER_AREA) for one in thumbnails])


def _read(folder: Path) -> Any:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    path, config = folder / CONFIG, ProjectorConfig()
    if path.exists():
        # torch writes the list in place: a process killed meanwhile leaves half of it.
        with contextlib.suppress(text_format.ParseError):
            text_format.Parse(path.read_text(encoding="utf-8"), config)
    return config


def _write(folder: Path, entries: Sequence[Any]) -> None:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    files.write_text(folder / CONFIG, text_format.MessageToString(ProjectorConfig(embeddings=entries)))
