"""Files of TensorBoard's embedding projector, beside the events."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from registry import files

#: What the projector reads, in the folder of the events.
CONFIG: Final = "projector_config.pbtxt"
#: Longest side of the image that holds all thumbnails; browsers show no larger one.
SPRITE_LIMIT: Final = 8192


def fitting(thumbnails: np.ndarray, limit: int = SPRITE_LIMIT) -> np.ndarray:
    """Thumbnails (N, H, W, 3) uint8, made square and small enough that a grid of all of them fits into the limit."""
    import cv2

    count, side = len(thumbnails), max(thumbnails.shape[1:3])
    wanted = min(side, limit // max(int(np.ceil(np.sqrt(count))), 1))
    if thumbnails.shape[1:3] == (wanted, wanted):
        return thumbnails
    return np.stack([cv2.resize(one, (wanted, wanted), interpolation=cv2.INTER_AREA) for one in thumbnails])


def keep_until(folder: Path, epoch: int) -> None:
    """Take vectors of later epochs off the list."""
    listed = entries(folder)
    kept = [entry for entry in listed if int(entry.tensor_name.rpartition(":")[2]) <= epoch]
    if len(kept) < len(listed):
        write(folder, kept)


def entries(folder: Path) -> list[Any]:
    """What the projector lists."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    path, config = folder / CONFIG, ProjectorConfig()
    if path.exists():
        # torch writes the list in place: a process killed while writing leaves half of it.
        with contextlib.suppress(text_format.ParseError):
            text_format.Parse(path.read_text(encoding="utf-8"), config)
    return list(config.embeddings)


def write(folder: Path, listed: Sequence[Any]) -> None:
    """Write the list."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    files.write_text(folder / CONFIG, text_format.MessageToString(ProjectorConfig(embeddings=listed)))
