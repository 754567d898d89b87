"""Files written whole or not at all, and a small cache of JSON values that is keyed by a library's version."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Literal


@contextmanager
def atomic_write(path: Path, mode: Literal["w", "wb"] = "w", *, flush: bool = True) -> Iterator[IO[Any]]:
    """A file object whose content replaces ``path`` when the block ends without an exception.

    The content goes to a temporary file in the same folder, is flushed to the disk, and is then renamed: a reader, or
    a crash, finds the old file or the new one, never a part.

    Args:
        path: its folder must exist.
        mode: ``w`` for text in UTF-8 without translation of line ends, ``wb`` for bytes.
        flush: False for one of many files that are quickly written anew: it need not survive a power cut.

    Raises:
        OSError: the folder cannot be written or the disk is full; ``path`` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    # A file's name that the locale cannot decode is text with surrogates, and is written as the bytes that it is.
    text = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""} if mode == "w" else {}
    try:
        with open(temporary, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    if flush:
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a rename in it survives a power cut, where the system can."""
    with suppress(OSError):  # Windows cannot open folders, and some file systems cannot flush them
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def working_directory_kept() -> Iterator[None]:
    """Afterwards the working directory is what it was, whatever a plugin does inside."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        here = None
    try:
        yield
    finally:
        if here is not None:
            os.chdir(here)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """The path of a temporary folder, yet to be created, that is renamed to ``folder`` when the block ends.

    Args:
        folder: missing or empty; its parent must exist. After an exception it is as before.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        yield partial
        with suppress(FileNotFoundError):
            folder.rmdir()  # fails where another process has written it meanwhile
        os.replace(partial, folder)
        flush_folder(folder.parent)
    except OSError as error:
        error.filename = error.filename or str(folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; see ``to_json``."""
    write_text(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON that every reader accepts: NaN and infinities become null, unknown objects their text."""
    return json.dumps(_finite(value), indent=indent, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def folder() -> Path:
    """The cache's folder: ``$HW1CLI_CACHE``, else ``$XDG_CACHE_HOME/hw1cli``, else ``~/.cache/hw1cli``."""
    named = os.environ.get("HW1CLI_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hw1cli"


def recall(name: str) -> Any | None:
    """The JSON value stored under ``name``, or None."""
    try:
        return json.loads(_path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remember(name: str, value: Any) -> bool:
    """Store a JSON value under ``name``; false where the cache cannot be written, which is not an error."""
    path = _path(name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, to_json(value))
        return True
    return False


def for_version(name: str, distribution: str, read: Callable[[], Any]) -> Any:
    """``read()``, done once for each version of the distribution that it reads from.

    Raises:
        importlib.metadata.PackageNotFoundError: the distribution is not installed.
    """
    key = f"{name}-{metadata.version(distribution)}"
    value = recall(key)
    if value is None:
        value = read()
        remember(key, value)
    return value


def _path(name: str) -> Path:
    return folder() / (re.sub(r"[^\w.+-]", "_", name) + ".json")
