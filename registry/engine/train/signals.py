"""Being asked to stop: a flag that the loop polls, so that nothing is lost."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class StopRequest:
    """While entered, SIGINT, SIGTERM, SIGUSR1 and SIGHUP set a flag; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.name: str | None = None
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

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
