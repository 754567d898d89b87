"""Being asked to stop: a flag that the loop polls, so that nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class _StopWaitingError(BaseException):
    """Raised by the handler into a wait; no caller sees it."""


class StopRequest:
    """While entered, SIGINT, SIGTERM, SIGUSR1 and SIGHUP set a flag; a second one interrupts at once."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.name is not None

    def __enter__(self) -> StopRequest:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                try:
                    self._before[number] = signal.signal(number, self._receive)
                except ValueError:  # not the main thread: whoever embeds us handles signals
                    break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def until_requested(self, items: Iterator[T]) -> Iterator[T]:
        """The items, ending when a stop is requested, also in the middle of waiting for the next one."""
        while not self:
            try:
                self._waiting = True
                item = next(items)
                self._waiting = False
            except (StopIteration, _StopWaitingError):
                return
            finally:
                self._waiting = False
            yield item

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.name is not None:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
        if self._waiting:
            self._waiting = False
            raise _StopWaitingError
