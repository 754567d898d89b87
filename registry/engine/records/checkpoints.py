"""Checkpoints: written whole or not at all, verified when they are read."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import files
from ...errors import Hw1Error

#: Raised when the layout of a checkpoint changes.
FORMAT = 3


class BrokenCheckpoint(Hw1Error):
    """A checkpoint that is damaged, torn or of another format."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        Hw1Error: the disk is full or the folder cannot be written; an older checkpoint stays as it was.
    """
    try:
        with files.atomic_write(path, "wb") as file:
            torch.save({"format": FORMAT, **state}, file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        free = shutil.disk_usage(path.parent).free / 1e6
        reason = str(error).partition("\n")[0]
        raise Hw1Error(f"{path} could not be written, with {free:.0f} MB free there: {reason}") from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

    Raises:
        BrokenCheckpoint: it is missing, damaged or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load alone does not check the checksums
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise BrokenCheckpoint(f"{path} cannot be read: {error}") from error
    if damaged is not None:
        raise BrokenCheckpoint(f"{path} is damaged: {damaged} fails its checksum")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state.get("format") != FORMAT:
        raise BrokenCheckpoint(f"{path} has format {state.get('format')}, and this version reads {FORMAT}")
    return state


def evaluated_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint that its scores belong to: the moving average where the run kept one."""
    average = state.get("average", {})
    return {name: average.get(name, tensor) for name, tensor in state["task"].items()}
