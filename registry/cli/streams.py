"""Standard streams that cannot end a command: closed ones, terminals that know no Unicode, readers that leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any


def make_writable() -> None:
    """Open closed standard streams on the null device, and write escapes where an encoding lacks a character."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file to be opened would become the standard stream
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


class _Outlasting:
    """A stream that drops what cannot be written any more: its reader (``head``) or its terminal has gone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            with suppress(OSError):  # what is still buffered must not fail at exit either
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def outlasting() -> Iterator[None]:
    """Standard output and errors without failure inside: training outlasts whoever watches it."""
    out: Any = _Outlasting(sys.stdout)
    err: Any = _Outlasting(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield
