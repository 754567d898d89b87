"""Checkpoints: written whole or not at all, verified before they are believed."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import Hw1Error

#: Raised when the layout of a checkpoint changes.
FORMAT = 2


class BrokenCheckpoint(Hw1Error):
    """A checkpoint that is damaged, torn or of another format."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, flush it to the disk, then move it into place.

    Raises:
        Hw1Error: the disk is full or the folder cannot be written; an older checkpoint stays as it was.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with open(temporary, "wb") as file:  # a file object: torch tells a full disk plainly only then
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as a RuntimeError
        free = shutil.disk_usage(path.parent).free / 1e6
        told = str(error).partition("\n")[0]
        raise Hw1Error(f"{path} could not be written, with {free:.0f} MB free there: {told}") from error
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """The rename itself must survive a power cut."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

    Raises:
        BrokenCheckpoint: it is missing, damaged or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load alone does not look at the checksums
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise BrokenCheckpoint(f"{path} cannot be read: {error}") from error
    if damaged is not None:
        raise BrokenCheckpoint(f"{path} is damaged: {damaged} fails its checksum")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state.get("format") != FORMAT:
        raise BrokenCheckpoint(f"{path} has format {state.get('format')}, and this version reads {FORMAT}")
    return state
