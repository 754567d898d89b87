"""Checkpoints: written whole or not at all, while training goes on, and verified when they are read."""

from __future__ import annotations

import copy
import os
import shutil
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import files
from ...errors import Hw1Error

#: Raised when the layout of a checkpoint changes.
FORMAT = 3


#: The newest checkpoint of a run, and the one before it, for a newest one that turns out to be damaged.
LAST, PREVIOUS = "last.pt", "previous.pt"


class BrokenCheckpoint(Hw1Error):
    """A checkpoint that is damaged, torn or of another format."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        Hw1Error: the disk is full or the folder cannot be written; an older checkpoint stays as it was.
    """
    try:
        if path.name == LAST and path.exists():
            _link(path, path.with_name(PREVIOUS))
        with files.atomic_write(path, "wb") as file:
            torch.save({"format": FORMAT, **state}, file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        if not path.parent.is_dir():
            raise Hw1Error(f"{path} could not be written: its folder was removed while the run was going on") from error
        free = shutil.disk_usage(path.parent).free / 1e6
        reason = str(error).partition("\n")[0]
        raise Hw1Error(f"{path} could not be written, with {free:.0f} MB free there: {reason}") from error


def _link(path: Path, other: Path) -> None:
    """Give a file a second name, which may be that of another file; copy it where the file system has no links."""
    temporary = other.with_name(f".{other.name}.{os.getpid()}.partial")
    try:
        os.link(path, temporary)
    except OSError:
        shutil.copyfile(path, temporary)
    os.replace(temporary, other)


class CheckpointWriter:
    """Writes checkpoints one after the other in a thread, so that training goes on meanwhile; a context manager.

    What is written is the state at the time of the call. Inside of the context two snapshots may wait for the disk,
    on its end all are written, whatever the reason for the end.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._pending: list[Future[None]] = []

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(left=0)

    def save(self, path: Path, state: Mapping[str, Any]) -> None:
        """As the function ``save``; an error of an earlier call is raised here or at the end of the context."""
        self._wait(left=1)
        self._pending.append(self._thread.submit(save, path, snapshot(state)))

    def _wait(self, left: int) -> None:
        while len(self._pending) > left:
            self._pending.pop(0).result()


def snapshot(state: Any) -> Any:
    """A copy of a checkpoint's state that later steps do not change, its tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    return type(state)(map(snapshot, state)) if isinstance(state, (list, tuple)) else copy.deepcopy(state)


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
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch advises to load it with weights_only=False, which would run a stranger's code
        message = f"{path} is not a checkpoint: it holds other objects than tensors and plain values"
        raise BrokenCheckpoint(message, "nothing of it was loaded") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise BrokenCheckpoint(f"{path} has format {found}, and this version reads {FORMAT}")
    return state  # type: ignore[no-any-return]


def load_newest(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The newest checkpoint that can be read, and a sentence where that is not the last one.

    Raises:
        BrokenCheckpoint: none can be read; with what is wrong with the last one.
    """
    try:
        return load(folder / LAST), None
    except BrokenCheckpoint as broken:
        try:
            state = load(folder / PREVIOUS)
        except BrokenCheckpoint:
            raise broken from None
        return state, f"{broken.message}; the checkpoint before it, {PREVIOUS}, is used instead"


def evaluated_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint that its scores belong to: the moving average where the run kept one."""
    average = state.get("average", {})
    return {name: average.get(name, tensor) for name, tensor in state["task"].items()}
