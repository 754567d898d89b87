"""The run folder: where its files are, the lock that guards it, and the environment it records."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ... import files
from ...errors import Hw1Error, InputError
from ...results.runs import read_object
from .checkpoints import BEST, LAST, PREVIOUS, word_of
from .lock import Lock
from .trackers import STATES

#: Libraries whose versions a run records.
_LIBRARIES = (
    *("hw1cli", "torch", "torchvision", "timm", "segmentation_models_pytorch", "lightly", "pytorch-lightning"),
    *("albumentations", "torchmetrics", "scikit-learn", "numpy", "opencv-python-headless", "pillow"),
)
#: Files that a run writes.
_FILES = (
    *("recipe.yaml", "plan.json", "environment.json", "summary.json", "metrics.jsonl", "metrics.csv", "log.txt"),
    *("skipped.csv", *(f"checkpoints/{name}" for name in (LAST, PREVIOUS, BEST))),
)


@dataclass
class RunFolder:
    """A run's folder.

    Attributes:
        path: the folder.
    """

    path: Path
    _lock: Lock | None = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.pt"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.pt"

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file completely or not at all."""
        files.write_json(self.path / name, value)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            InputError: see ``read_object``.
        """
        return read_object(self.path / name)

    def open(self, *, resume: bool) -> None:
        """Create the folder and take its lock.

        Raises:
            InputError: it holds a run and ``resume`` is false, holds none and ``resume`` is true, is in use, or holds
                links; see ``refuse_links``.
        """
        refuse_if_taken(self.path, resume=resume)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError.of(
                str(self.path), f"cannot be created: {error}", "name another folder with --out"
            ) from error
        self._lock = Lock(self.path)
        self._lock.acquire()  # the first file: whatever ends the process from here on, the folder can be resumed
        try:
            self.checkpoints.mkdir(exist_ok=True)
            for folder in (self.path, self.checkpoints):  # files of a process that was killed while writing
                for stale in folder.glob(".[!.]*.[0-9]*.partial"):
                    stale.unlink(missing_ok=True)
            for path in (self.path / name for name in _FILES):
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        except OSError as error:
            self.close()
            raise InputError.of(str(error.filename), f"is in the way: {error.strerror}", "move it elsewhere") from error

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def clear_unfinished_start(path: Path) -> Path | None:
    """Make room where a run ended before its first checkpoint: the folder is deleted, or moved aside.

    Returns:
        Where it was moved, because it holds more than such a run writes; None where it was deleted.

    Raises:
        InputError: another process is running in it.
    """
    refuse_links(path)
    lock = Lock(path)
    lock.acquire()
    try:
        own = {"recipe.yaml", "plan.json", "environment.json", "summary.json", "log.txt", ".lock", "tensorboard"}
        own |= {STATES, "checkpoints"}
        if {each.name for each in path.iterdir()} - own or any((path / "checkpoints").glob("*.pt")):
            stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            return path.rename(path.with_name(f"{path.name}.before_{stamp}"))
        shutil.rmtree(path)
        return None
    finally:
        lock.release()


def has_checkpoints(path: Path) -> bool:
    """Whether a run folder has a checkpoint with everything that a run needs to go on."""
    return any((path / "checkpoints" / name).is_file() for name in (LAST, PREVIOUS))


def refuse_links(path: Path) -> None:
    """Raise where what is written into a run folder would follow a symbolic link out of it: it may be a stranger's.

    Raises:
        InputError: names the link.
    """
    inside = path.resolve()
    for folder, *names in os.walk(inside):
        if Path(folder).relative_to(inside).parts[:1] == ("wandb",):
            continue  # its own library keeps logs there by links into its cache
        for entry in (Path(folder, name) for name in (*names[0], *names[1])):
            if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
                message = f"is a symbolic link out of the run folder, to {entry.readlink()}"
                raise InputError.of(str(entry), message, "put what it leads to in its place, or delete it")


def can_resume(path: Path) -> bool:
    """Whether ``--resume`` goes on with a folder's run: from a checkpoint, or from the start where none was written."""
    started = any((path / name).is_file() for name in (".lock", "plan.json"))
    return has_checkpoints(path) or (started and not any((path / "checkpoints").glob("*.pt")))


def refuse_if_taken(path: Path, *, resume: bool) -> None:
    """Raise if a run cannot start or resume in this folder; writes nothing.

    Raises:
        InputError: see ``RunFolder.open``.
    """
    try:
        str(path).encode()  # as trackers write it
        if os.path.lexists(path) and not path.is_dir():
            raise InputError.of(str(path), "is not a folder, and a run needs one", "name another with --out")
        existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    except (OSError, ValueError) as error:
        message = f"cannot be the name of a folder: {error}"
        raise InputError.of(str(path), message, "name another with --out") from error
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        reason = "is read-only" if existing.is_dir() else "is not a folder"
        raise InputError.of(str(path), f"cannot be written: {existing} {reason}", "name another folder with --out")
    holds = path.is_dir() and any(path.iterdir())
    is_run = any((path / name).exists() for name in ("plan.json", ".lock", "checkpoints"))
    if resume and not is_run:
        hint = "name another with --out, to start one" if holds else "leave --resume out to start one"
        raise InputError.of(str(path), "does not hold a run to resume", hint)
    if resume and not can_resume(path):
        message = f"has neither {LAST} nor {PREVIOUS}, from which a run resumes"
        raise InputError.of(str(path), message, f"start a new run from its weights: {way_on(path)}")
    if resume:
        refuse_links(path)
    elif holds:
        hint = f"go on with it: {way_on(path)}; or name another with --out" if is_run else "name another with --out"
        raise InputError.of(str(path), f"already holds {'a run' if is_run else 'files'}", hint)


def disk_is_full(error: BaseException) -> str | None:
    """What could not be written, where that is the cause of an error; None where it is another one."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    if not any(isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT) for each in chain):
        return None
    ours = [each.message for each in chain if isinstance(each, Hw1Error)]
    return f"the disk is full: {ours[-1] if ours else chain[-1]}"


def way_on(path: Path) -> str:
    """The command that goes on with the run in a folder, to be copied."""
    if can_resume(path):
        recipe = path / "recipe.yaml"
        named = shlex.quote(str(recipe)) if recipe.is_file() else "RECIPE"
        return f"hw1cli run {named} --out {shlex.quote(str(path))} --resume"
    kept = sorted((path / "checkpoints").glob("epoch_*.pt"))
    best = (path / "checkpoints" / BEST).is_file() or not kept
    return from_run(path, "best" if best else word_of(kept[-1]))


def from_run(path: Path, checkpoint: str = "last") -> str:
    """The command that starts a new run from the state of the one in a folder."""
    chosen = "" if checkpoint == "last" else f" --checkpoint {checkpoint}"
    return f"hw1cli run --from {shlex.quote(str(path))}{chosen}"


def new_run_path(recipe: Path) -> Path:
    """``runs/<recipe>/<date and time>``, a name that is not taken."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    base = Path("runs") / recipe.stem / stamp
    candidates = [base, *(base.with_name(f"{stamp}_{n}") for n in range(2, 100))]
    return next(candidate for candidate in candidates if not candidate.exists())


def environment() -> dict[str, Any]:
    """The machine, the libraries and the command of a run."""
    import torch

    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "git": _git_revision(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    source = Path(__file__).parent
    try:
        command = ["git", "describe", "--always", "--dirty"]
        return subprocess.check_output(command, cwd=source, stderr=subprocess.DEVNULL, text=True, timeout=5).strip()
    except (OSError, subprocess.SubprocessError):
        return None
