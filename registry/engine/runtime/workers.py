"""Processes of this machine that share work: started again when they die, stopped and ended with the one in charge."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ...errors import FAILED, STOPPED, StoppedBySignal
from ...signals import handled, interrupt


class Workers:
    """A number of processes that carry out the same function; a context manager.

    They end with the process in charge, also where that is killed: a signal to it is theirs, once, and they save what
    they have reached. A terminal's Ctrl-C does not reach them directly.

    Args:
        function: of a module; called with the worker's number, from 0, and ``arguments``.
        arguments: of it, pickled.
        number: of workers.
        log: what they print, and why one fails; appended to.
    """

    def __init__(self, function: Callable[..., None], arguments: tuple[Any, ...], number: int, log: Path) -> None:
        self._context = multiprocessing.get_context("spawn")  # a fork would share locks and what libraries keep
        self._function, self._arguments, self._log = function, arguments, log
        self._workers: list[BaseProcess | None] = [None] * number
        share = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share // number)))

    def __enter__(self) -> Workers:
        for number in range(len(self._workers)):
            self.start(number)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, number: int) -> None:
        """Start a worker that is not at work."""
        arguments = (number, self._function, self._arguments, self._log)
        process = self._context.Process(target=_work, args=arguments, name=f"worker {number}")
        process.start()
        self._workers[number] = process

    def ended(self, seconds: float) -> dict[int, int]:
        """Wait until a worker ends or the time is over: number -> exit code of those that have ended, each once."""
        wait([each.sentinel for each in self._workers if each is not None], seconds)
        found = {
            n: each.exitcode for n, each in enumerate(self._workers) if each is not None and each.exitcode is not None
        }
        self._workers = [None if number in found else each for number, each in enumerate(self._workers)]
        return found

    @property
    def at_work(self) -> int:
        return sum(each is not None for each in self._workers)

    def stop(self) -> None:
        """Ask all of them to stop, and wait until they have; a signal meanwhile asks them to stop at once."""
        asked = 0
        while self.at_work:
            try:
                if not asked:
                    asked += 1
                    self._send(signal.SIGTERM)
                self.ended(1.0)
            except KeyboardInterrupt:
                asked += 1
                self._send(signal.SIGTERM if asked < 3 else signal.SIGKILL)

    def _send(self, number: int) -> None:
        for each in self._workers:
            if each is not None and each.pid is not None and each.exitcode is None:
                os.kill(each.pid, number)


def _work(number: int, function: Callable[..., None], arguments: tuple[Any, ...], log: Path) -> None:
    """What a worker's process does."""
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    with handled(interrupt):
        try:
            function(number, *arguments)
        except (KeyboardInterrupt, StoppedBySignal):
            sys.exit(STOPPED)
        except Exception:
            traceback.print_exc()
            sys.exit(FAILED)


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
