"""Where the files of a packed data set come from: a folder, or a server, whose shards are kept in the cache."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import requests

from registry import InputError, files

from .layout import File

T = TypeVar("T")
#: Attempts at a request, and the seconds before the second one, which double from one to the next: 15.5 in all.
_ATTEMPTS: Final = 6
_WAIT: Final = 0.5
#: Seconds to connect, and between two pieces of an answer.
_TIMEOUT: Final = (10, 60)
_PIECE: Final = 1 << 20
_sessions: dict[int, requests.Session] = {}


class Source(Protocol):
    """Where files come from; can be pickled, for a loader's workers."""

    def index(self) -> bytes: ...
    def whole(self, file: File) -> Path: ...
    def part(self, file: File, offset: int, length: int) -> bytes: ...
    def place(self, file: File) -> str: ...


class Folder:
    """A folder of this machine.

    Args:
        index: the index file in it.
    """

    def __init__(self, index: Path) -> None:
        self._index = index

    def index(self) -> bytes:
        """The index's content."""
        return self._index.read_bytes()

    def place(self, file: File) -> str:
        """What messages call a file."""
        return str(self._index.with_name(file["file"]))

    def whole(self, file: File) -> Path:
        """A file that has the size that the index names.

        Raises:
            InputError: it is missing, or has another size.
        """
        path = self._index.with_name(file["file"])
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InputError.of(str(path), f"cannot be read: {error.strerror}", f"{self._index} names it") from error
        if size != file["bytes"]:
            message = f"has {size} bytes, expected {file['bytes']}"
            raise InputError.of(str(path), message, "copy it again, or pack the data again")
        return path

    def part(self, file: File, offset: int, length: int) -> bytes:
        """Some bytes of a file; fewer where it is truncated."""
        return _part(self._index.with_name(file["file"]), offset, length)


class Server:
    """A folder behind an http(s) address.

    Args:
        index: the address of the index.
        cache: keep whole shards in the cache's folder; else every sample is a request of its own (HTTP Range).
    """

    def __init__(self, index: str, cache: bool) -> None:
        self._index, self._cache = index, cache

    def index(self) -> bytes:
        """The index's content, requested anew."""
        return _retried(self._index, lambda: _get(self._index).content)

    def place(self, file: File) -> str:
        """A file's address."""
        return f"{self._index.rpartition('/')[0]}/{file['file']}"

    def whole(self, file: File) -> Path:
        """A file in the cache, downloaded and verified where it is not there; one process downloads, others wait.

        Raises:
            InputError: the server does not deliver it, or the disk is full.
        """
        path = files.folder() / "shards" / f"{file['sha256']}{Path(file['file']).suffix}"
        if not _is_whole(path, file):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with _locked(path.with_suffix(".lock")):
                    if not _is_whole(path, file):
                        _retried(self.place(file), lambda: self._download(file, path))
            except OSError as error:
                message = f"cannot be kept: {error.strerror or error}"
                raise InputError.of(str(path), message, "make room, or set data.cache: false") from error
        return path

    def part(self, file: File, offset: int, length: int) -> bytes:
        """Some bytes of a file; fewer where it is truncated."""
        if self._cache:
            return _part(self.whole(file), offset, length)
        return _retried(self.place(file), lambda: self._range(file, offset, length))

    def _download(self, file: File, path: Path) -> None:
        digest = hashlib.sha256()
        with _get(self.place(file), stream=True) as answer, files.atomic_write(path, "wb", flush=False) as written:
            for piece in answer.iter_content(_PIECE):
                digest.update(piece)
                written.write(piece)
            if digest.hexdigest() != file["sha256"]:
                raise _DamagedError("its content does not have the checksum that the index names")

    def _range(self, file: File, offset: int, length: int) -> bytes:
        answer = _get(self.place(file), headers={"Range": f"bytes={offset}-{offset + length - 1}"}, stream=True)
        with answer:
            if answer.status_code != requests.codes.partial_content:
                hint = "set data.cache: true, which downloads whole shards"
                raise InputError.of(self.place(file), "the server does not serve parts of files", hint)
            return answer.content


class _DamagedError(Exception):
    """What arrived is not what the index describes."""


def _get(url: str, **options: Any) -> requests.Response:
    """A response without an error; sessions are not shared by processes, which would mix up their answers."""
    session = _sessions.setdefault(os.getpid(), requests.Session())
    answer = session.get(url, timeout=_TIMEOUT, **options)
    answer.raise_for_status()
    return answer


def _retried(url: str, action: Callable[[], T]) -> T:
    """The action's result, after several attempts where a server or a connection fails.

    Raises:
        InputError: it fails each time, or in a way that will not change.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except (requests.RequestException, _DamagedError) as error:
            answer = error.response if isinstance(error, requests.HTTPError) else None
            status = 500 if answer is None else answer.status_code
            if attempt == _ATTEMPTS - 1 or (400 <= status < 500 and status not in (408, 429)):
                times = f" after {attempt + 1} attempts" if attempt else ""
                raise InputError.of(url, f"cannot be downloaded{times}: {error}") from error
        time.sleep(_WAIT * 2**attempt)
    raise AssertionError


def _is_whole(path: Path, file: File) -> bool:
    with suppress(OSError):
        return path.stat().st_size == file["bytes"]
    return False


def _part(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time, where the system has locks; without them two may download the same file."""
    with path.open("w") as file:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
