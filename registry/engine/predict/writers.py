"""Results written behind the model by threads, each file whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .reading import WAITING_PIXELS


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; moved into its place at the end, deleted after an exception."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Writer:
    """Threads that write, with a bound on the pixels that wait for them.

    Args:
        threads: that write.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "write")
        self._room = threading.Condition()
        self._waiting = 0
        self._error: BaseException | None = None

    def submit(self, pixels: int, write: Callable[[], None]) -> None:
        """Have ``write`` called in a thread; waits while too much waits already.

        Raises:
            Exception: what an earlier ``write`` raised.
        """
        with self._room:
            self._room.wait_for(lambda: self._waiting == 0 or self._waiting + pixels <= WAITING_PIXELS)
            self._raise()
            self._waiting += pixels
        self._pool.submit(self._run, pixels, write)

    def _run(self, pixels: int, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:
            self._error = self._error or error
        finally:
            with self._room:
                self._waiting -= pixels
                self._room.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self, *, abandon: bool = False) -> None:
        """Wait until everything is written; ``abandon`` drops what has not been begun.

        Raises:
            Exception: what a ``write`` raised, unless ``abandon``.
        """
        self._pool.shutdown(wait=True, cancel_futures=abandon)
        if not abandon:
            self._raise()
