"""The lock of a run folder: one process works in it, also where the file system has no locks or hosts share it.

Where the system locks files, the kernel knows whether the owner lives. Elsewhere the lock file names the owner by host,
process and the time when that began, and its time stamp is renewed as long as the owner lives.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from ... import files
from ...errors import InputError

#: Seconds between two renewals, and those after which an owner on another host is taken for dead.
_BEAT: Final = 15.0
_DEAD: Final = 120.0
#: Seconds in which two processes that claim a folder at once see one another, where the file system has no locks.
_SETTLE: Final = 1.0


class Lock:
    """The lock file of a folder, ``.lock``.

    Args:
        folder: it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / ".lock"
        self._file: TextIO | None = None
        self._ended = threading.Event()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            InputError: another process has it, or the lock file is a link.
        """
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except OSError as error:
            raise InputError.of(str(self.path), f"cannot be opened: {error.strerror}", "delete it") from error
        self._file = os.fdopen(handle, "r+", encoding="utf-8", errors="replace")
        locked, owner, own = _lock(self._file), self._file.read(200), _name(os.getpid())
        if locked is False or self._is_alive(owner, known=locked is not None):
            self.release(ours=False)
            raise self._taken(owner)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(own)
        self._file.flush()
        if locked is None:
            time.sleep(_SETTLE)
            if (other := self.path.read_text(encoding="utf-8")) != own:
                self.release(ours=False)
                raise self._taken(other)
        threading.Thread(target=self._renew, name="lock", daemon=True).start()

    def release(self, *, ours: bool = True) -> None:
        """Leave the folder to others; ``ours`` is whether the lock was taken."""
        self._ended.set()
        if self._file is not None:
            with suppress(OSError):
                if ours:
                    self._file.seek(0)
                    self._file.truncate()
                self._file.close()
            self._file = None

    def _is_alive(self, owner: str, *, known: bool) -> bool:
        """Whether the owner lives; ``known`` is whether the kernel excludes it for the processes of this host."""
        named = re.match(r"(\d+) on (\S+) since (\S+)", owner)
        if named is None:
            return False
        if named[2] == platform.node():
            return not known and _began(int(named[1])) == named[3]
        return abs(self._now() - self.path.stat().st_mtime) < _DEAD  # later than now: the clock was set back

    def _now(self) -> float:
        """The time of the folder's file server, whose clock may be another one."""
        probe = self.folder / f".{os.getpid()}.now.partial"
        try:
            files.write_text(probe, "")
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._ended.wait(_BEAT):
            with suppress(OSError):
                os.utime(self.path)

    def _taken(self, owner: str) -> InputError:
        by = f": {owner.strip()}" if owner.strip() else ""
        hint = f"wait for its end; one that has died on another host is noticed after {_DEAD:.0f} s"
        return InputError.of(str(self.folder), f"another process is running in this folder{by}", hint)


def _lock(file: TextIO) -> bool | None:
    """Whether a file could be locked; None where the system, or the file system, has no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return None
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _name(process: int) -> str:
    return f"{process} on {platform.node()} since {_began(process)}\n"


def _began(process: int) -> str | None:
    """When a process of this host began, in whatever unit; None where none lives under the number."""
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            return None if state in "ZX" else fields[18]
        return None
    with suppress(OSError, subprocess.SubprocessError):
        command = ["ps", "-o", "lstart=", "-p", str(process)]
        return "_".join(subprocess.check_output(command, text=True, timeout=5).split()) or None
    return None
