"""Being asked to stop: an interrupt where nothing is lost by it, and a flag that the training loop polls."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

#: The environment variable with the number of the process that has started this one as a job.
PARENT: Final = "HW1CLI_PARENT"
#: Linux' prctl: the signal that a process gets when its parent dies (linux/prctl.h).
_PR_SET_PDEATHSIG: Final = 1
#: Seconds that a second signal leaves to what is going on, and any signal to imports and to ``held``.
_GRACE: Final = 4.0
#: Those that exist on this system.
STOPPING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def handled(receive: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """The stopping signals handled by ``receive``, and as before afterwards."""
    before, process = {}, os.getpid()

    def receive_here(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:  # a loader's process that was forked just now is ended by this one
            receive(number, frame)

    with suppress(ValueError):  # not the main thread: whoever embeds us handles signals
        for number in STOPPING:
            if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                before[number] = signal.signal(number, receive_here)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Get SIGTERM when the process that has started this one as a job dies, even if it is killed (Linux)."""
    parent = os.environ.pop(PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGTERM)


def ignore() -> None:
    """Ignore the stopping signals from now on: all is done, and the interpreter takes a second to leave."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


class Interrupted(KeyboardInterrupt):
    """A signal has ended what was going on; a plain ``KeyboardInterrupt`` may be a plugin's own."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler that ends what is going on, whichever signal it is: ``Interrupted`` with the signal's name.

    It waits for some seconds where ``held`` says so, and while modules are imported: an exception may cross C++ code
    there, which ends the process with SIGABRT.
    """
    global _patient_until
    if _held or _is_importing(frame):
        now = time.monotonic()
        _patient_until = min(_patient_until, now + _GRACE)
        if now < _patient_until:
            again = threading.Timer(0.05, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
    _patient_until = math.inf
    raise Interrupted(signal.Signals(number).name)


#: How many ``held`` are entered; and the time until which ``interrupt`` waits, infinite as long as it does not.
_held, _patient_until = 0, math.inf


@contextmanager
def held() -> Iterator[None]:
    """Inside, ``interrupt`` waits, so that what has been started is also written down."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


class _StopWaitingError(BaseException):
    """Raised by the handler into a wait; no caller sees it."""


@contextmanager
def _last_resort(code: Callable[[], int]) -> Iterator[None]:
    """Inside, a second signal ends the process after some seconds, though its main thread never comes to a handler.

    It may be in a long computation, or wait for a disk; the system's own handler is a byte in a pipe.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before, left = signal.set_wakeup_fd(writing, warn_on_full_buffer=False), threading.Event()

    def watch() -> None:
        received = 0
        while received < 2 and (number := os.read(reading, 1)[0]):
            received += number in STOPPING
        if received == 2 and not left.wait(_GRACE):
            os._exit(code())

    thread = threading.Thread(target=watch, name="last resort", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.write(writing, bytes(1))
        thread.join()
        os.close(reading)
        os.close(writing)


def _forget_pipe() -> None:
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):  # else a signal to a loader's process would count as one of this process
    os.register_at_fork(after_in_child=_forget_pipe)


class StopRequest:
    """While entered, the stopping signals set a flag; a second one interrupts at once, and ends the process if need be.

    Args:
        any_of: of several processes that train together: whether each of some flags is set in any of them. They stop
            where they have agreed, since each waits for the others' parts of a step.
        code: the exit code where a second signal has to end the process.
    """

    def __init__(
        self, any_of: Callable[..., tuple[bool, ...]] | None = None, code: Callable[[], int] = lambda: 1
    ) -> None:
        self.name: str | None = None
        self._any_of = any_of
        self._received: str | None = None
        self._waiting = False
        self._entered, self._code = ExitStack(), code

    def __bool__(self) -> bool:
        return self.name is not None

    def __enter__(self) -> StopRequest:
        self._entered.enter_context(handled(self._receive))  # left last: from then on a signal may raise
        self._entered.enter_context(_last_resort(self._code))
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Which flags are set in any process; from now on, a request that one of them got is one of all."""
        if self._any_of is None:
            return flags
        requested, *others = self._any_of(self._received is not None, *flags)
        if requested and self.name is None:
            self.name = self._received or "a signal to another process"
        return tuple(others)

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

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            interrupt(number, frame)
        self._received = signal.Signals(number).name
        with suppress(OSError):  # past Python's buffers, which may be in use just now
            text = f"{self._received}: stopping as soon as nothing is lost; a second signal ends at once\n"
            os.write(2, text.encode())
        if self._any_of is not None:
            return
        self.name = self._received
        if self._waiting:
            self._waiting = False
            raise _StopWaitingError
