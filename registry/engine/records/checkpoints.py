"""Checkpoints: written whole or not at all, while training goes on, and verified when written and when read."""

from __future__ import annotations

import copy
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import torch
from torch import Tensor

from ... import files
from ...errors import WRONG_INPUT, Hw1Error
from . import shards

#: Raised when the layout of a checkpoint changes.
FORMAT: Final = 3

#: The newest checkpoint of a run; the one before it, for a newest one that turns out to be damaged; the weights with
#: the best score.
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"
#: What every checkpoint holds, and of which type.
_HOLDS: Final = {"task": dict, "precision": str, "memory_format": str}


class BrokenCheckpoint(Hw1Error):
    """A checkpoint that is missing, damaged, torn, of another format or of another program."""

    exit_code = WRONG_INPUT


def of_epoch(epoch: int) -> str:
    """The name of the checkpoint that is kept of an epoch."""
    return f"epoch_{epoch:04d}.pt"


def word_of(path: Path) -> str:
    """What ``--checkpoint`` calls a checkpoint."""
    return str(int(path.stem.removeprefix("epoch_"))) if path.stem.startswith("epoch_") else path.stem


def named(folder: Path, which: str) -> Path:
    """The file that ``best``, ``last``, ``previous`` or the number of a kept epoch names."""
    return folder / (of_epoch(int(which)) if which.isdecimal() else f"{which}.pt")


def save(path: Path, state: Mapping[str, Any], *, also: Path | None = None, instead_of: Sequence[Path] = ()) -> None:
    """Write a checkpoint, whole or not at all, and verify it before it replaces an older one.

    Args:
        path: the file; the one that ``last.pt`` replaces becomes ``previous.pt``.
        state: tensors and plain values.
        also: another name that the same file is kept under.
        instead_of: files that are deleted afterwards.

    Raises:
        Hw1Error: the disk is full or the folder cannot be written; the older checkpoints stay as they were.
    """
    before = path.with_name(f".{path.name}.{os.getpid()}.before.partial")
    try:
        with files.atomic_write(path, "wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            with open(file.name, "rb") as written:
                _verify(path, written)
            if path.name == LAST and _is_whole(path):
                _link(path, before)
        if before.exists():  # only now, so that there is a whole checkpoint at every moment
            os.replace(before, path.with_name(PREVIOUS))
        if also is not None:
            _link(path, before)
            os.replace(before, also)
    except (OSError, RuntimeError, BrokenCheckpoint) as error:  # torch reports a full disk as a RuntimeError
        with suppress(OSError):
            before.unlink()
        if not path.parent.is_dir():
            raise Hw1Error(f"{path} could not be written: its folder was removed while the run was going on") from error
        free = shutil.disk_usage(path.parent).free / 1e6
        reason = str(error).partition("\n")[0]
        raise Hw1Error(f"{path} could not be written, with {free:.0f} MB free there: {reason}") from error
    for each in instead_of:
        each.unlink(missing_ok=True)
    if path.name == LAST and (found := shards.folders(path.parent)):
        shards.delete(found, _named_shards(path.parent))


def _link(path: Path, other: Path) -> None:
    """Give a file a second name; copy it where the file system has no links."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


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

    def save(self, path: Path, state: Mapping[str, Any], *, wait: bool = False, **settings: Any) -> None:
        """As the function ``save``; an error of an earlier call is raised here or at the end of the context.

        Args:
            wait: return when it is written.
        """
        self._wait(left=1)
        self._pending.append(self._thread.submit(save, path, snapshot(state), **settings))
        self._wait(left=0 if wait else 2)

    def _wait(self, left: int) -> None:
        while len(self._pending) > left:
            self._pending.pop(0).result()


def snapshot(state: Any) -> Any:
    """A copy of a checkpoint's state that later steps do not change, its tensors on the CPU."""
    if isinstance(state, Tensor):
        return state if state.is_meta else state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    return type(state)(map(snapshot, state)) if isinstance(state, (list, tuple)) else copy.deepcopy(state)


def load(path: Path, *, fill: bool = True) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

    Args:
        fill: read sharded tensors, too, whole; else ``shards.read`` does so later.

    Raises:
        BrokenCheckpoint: it is missing, damaged, of another format or of another program.
    """
    state = read(path, fill=fill)
    found = state.get("format") if isinstance(state, dict) else None
    if found is None:
        raise BrokenCheckpoint(f"{path} is not a checkpoint of a run: another program has written it")
    if found != FORMAT:
        hint = "the hw1cli that has written it reads it: environment.json of the run has its version"
        raise BrokenCheckpoint(f"{path} has format {found}, and this version reads {FORMAT}", hint)
    wrong = [name for name, kind in _HOLDS.items() if not isinstance(state.get(name), kind)]
    position = state.get("position", {"epoch": 1})
    if not isinstance(position, dict) or not isinstance(epoch := position.get("epoch"), int) or epoch < 1:
        wrong.append("position")
    # What a module keeps besides its tensors ends in _extra_state.
    task = {} if wrong else {name: value for name, value in state["task"].items() if not name.endswith("_extra_state")}
    if wrong or not all(isinstance(tensor, Tensor) for tensor in task.values()):
        raise BrokenCheckpoint(f"{path} is not a checkpoint of a run: its {wrong[0] if wrong else 'task'} is wrong")
    return state  # type: ignore[no-any-return]


def read(path: Path, *, fill: bool = True) -> Any:
    """The content of a file that ``torch.save`` has written, by whatever program: tensors and plain values only.

    ``fill``: as of ``load``.

    Raises:
        BrokenCheckpoint: it is missing, damaged, or holds other objects.
    """
    state = _read(path)
    if not isinstance(state, dict) or "shards" not in state:
        return state
    try:
        if (fault := shards.damage(path.parent, state)) is not None:
            raise BrokenCheckpoint(f"{path} cannot be used: {fault}")
        return shards.read(path.parent, state) if fill else state
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenCheckpoint(f"{path} cannot be used: {error}") from error


def _read(path: Path) -> Any:
    """The content of the file itself."""
    try:
        with open(path, "rb") as file:  # opened once: a run may replace it meanwhile
            _verify(path, file)
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BrokenCheckpoint(f"{path} cannot be read: {error.strerror or error}") from error
    except BrokenCheckpoint:
        raise
    except Exception as error:  # torch advises to load it with weights_only=False, which would run a stranger's code
        message = f"{path} is not a checkpoint: it holds other objects than tensors and plain values"
        raise BrokenCheckpoint(message, "nothing of it was loaded") from error


def _verify(path: Path, file: IO[bytes]) -> None:
    """Compare a checkpoint with its checksums, which torch.load alone does not."""
    try:
        with zipfile.ZipFile(file) as archive:
            # Nothing that torch writes is compressed, and what is could be of any size.
            foreign = any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist())
            damaged = None if foreign else archive.testzip()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BrokenCheckpoint(f"{path} is damaged, or not a checkpoint: {error}") from error
    if foreign:
        raise BrokenCheckpoint(f"{path} is not a checkpoint: it is a compressed archive")
    if damaged is not None:
        raise BrokenCheckpoint(f"{path} is damaged: {damaged} fails its checksum")


def _is_whole(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            _verify(path, file)
        return not shards.folders(path.parent) or shards.damage(path.parent, _read(path)) is None
    except (OSError, BrokenCheckpoint):
        return False


def _named_shards(folder: Path) -> set[str]:
    """The folders of shards that the checkpoints of a run name."""
    named = set[str]()
    for path in (folder / LAST, folder / PREVIOUS, *folder.glob("epoch_*.pt")):
        with suppress(BrokenCheckpoint):
            named.add(_read(path).get("shards", {}).get("folder", ""))
    return named


def whole(folder: Path) -> list[Path]:
    """The checkpoints of a run that can be read: the last one, the one before it, the best, then those kept."""
    kept = sorted(folder.glob("epoch_*.pt"), reverse=True)
    return [path for path in (*(folder / name for name in (LAST, PREVIOUS, BEST)), *kept) if _is_whole(path)]


def _loads(path: Path) -> bool:
    try:
        load(path)
    except BrokenCheckpoint:
        return False
    return True


def instead_of(path: Path) -> str | None:
    """What ``--checkpoint`` may name in place of a checkpoint that cannot be read; None where there is nothing."""
    others = (each for each in whole(path.parent) if each != path and _loads(each))
    return next((f"{each.name} is whole: --checkpoint {word_of(each)}" for each in others), None)


def load_newest(folder: Path, *, fill: bool = True) -> tuple[dict[str, Any], str | None]:
    """The newest checkpoint that can be read, and a sentence where that is not the last one; ``fill`` as of ``load``.

    Raises:
        BrokenCheckpoint: none can be read; with what is wrong with the last one.
    """
    try:
        return load(folder / LAST, fill=fill), None
    except BrokenCheckpoint as broken:
        try:
            state = load(folder / PREVIOUS, fill=fill)
        except BrokenCheckpoint:
            raise broken from None
        return state, f"{broken.message}; the checkpoint before it, {PREVIOUS}, is used instead"


def evaluated_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint that its scores belong to: the moving average where the run kept one."""
    average = state.get("average", {})
    return {name: average.get(name, tensor) for name, tensor in state["task"].items()}


def epoch_of(state: Mapping[str, Any]) -> int:
    """The last whole epoch of a checkpoint."""
    return int(state["epoch"] if "epoch" in state else state["position"]["epoch"] - 1)
