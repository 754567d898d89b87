"""Results written behind the model by threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .reading import WAITING_PIXELS


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
