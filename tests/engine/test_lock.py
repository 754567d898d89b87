"""The lock of a run folder, held by real processes: with the system's locks, without them, and on another host."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from runs import train

from registry.engine.records.lock import Lock
from registry.errors import InputError

#: A file system without locks, as an NFS mount with "nolock" may be.
NO_LOCKS = "#include <errno.h>\nint flock(int file, int operation) { errno = ENOLCK; return -1; }\n"
HOLD = """
import sys, time
from pathlib import Path
from registry.engine.records.lock import Lock
from registry.errors import InputError
lock = Lock(Path(sys.argv[1]))
try:
    lock.acquire()
except InputError as error:
    sys.exit(str(error))
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""


@pytest.fixture(params=["locks", "no locks"])
def hold(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """hold(): a process that takes the lock of ``tmp_path / 'run'``, until it gets a line."""
    environment = dict(os.environ)
    if request.param == "no locks":
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("needs a C compiler and Linux")
        (tmp_path / "no_locks.c").write_text(NO_LOCKS)
        library = tmp_path / "no_locks.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "no_locks.c"], check=True)
        environment["LD_PRELOAD"] = str(library)
    (tmp_path / "run").mkdir()
    started = []

    def begin() -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
        started.append(subprocess.Popen(command, text=True, cwd=ROOT, env=environment, **pipes))  # type: ignore[call-overload]
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def holds(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "held\n"


def test_one_process_holds_a_folder_until_it_ends_or_dies(hold: Callable[[], subprocess.Popen[str]]) -> None:
    first = hold()
    assert holds(first)
    second = hold()
    assert not holds(second) and f"another process is running in this folder: {first.pid}" in second.communicate()[1]
    first.kill()  # not yet waited for: a process that is dead and not gone
    time.sleep(0.2)
    third = hold()
    assert holds(third)
    third.communicate("\n")
    assert holds(hold())


def test_two_processes_at_once_do_not_both_hold_a_folder(hold: Callable[[], subprocess.Popen[str]]) -> None:
    assert sorted([holds(each) for each in [hold(), hold()]]) == [False, True]


def test_a_number_that_another_process_has_now_is_not_the_owner(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(f"{os.getpid()} on {platform.node()} since 1\n")
    lock = Lock(tmp_path)
    lock.acquire()
    lock.release()
    assert (tmp_path / ".lock").read_text() == ""


def test_an_owner_on_another_host_is_alive_as_long_as_it_renews_its_lock(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("7 on elsewhere since 1\n")
    with pytest.raises(InputError, match="7 on elsewhere"):
        Lock(tmp_path).acquire()
    for away in (-300, 300):  # the clock may have been set back since
        (tmp_path / ".lock").write_text("7 on elsewhere since 1\n")
        then = time.time() + away
        os.utime(tmp_path / ".lock", (then, then))
        lock = Lock(tmp_path)
        lock.acquire()
        assert f"{os.getpid()} on {platform.node()}" in (tmp_path / ".lock").read_text()
        lock.release()


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="cannot be opened"):
        Lock(tmp_path / "run").acquire()
    assert (tmp_path / "precious").read_text() == "mine"


def test_resume_takes_the_lock_before_it_reads_the_checkpoint(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    folder = tmp_path / "run" / "checkpoints"
    (folder / "previous.pt").unlink()
    last = folder / "last.pt"
    content = last.read_bytes()
    last.write_bytes(b"half")  # as another process may be about to
    lock = Lock(tmp_path / "run")
    lock.acquire()
    with pytest.raises(InputError, match="another process is running"):
        train(recipe, tmp_path / "run", "trainer.epochs=2", resume=True)
    last.write_bytes(content)
    lock.release()
    assert train(recipe, tmp_path / "run", "trainer.epochs=2", resume=True)["epochs"] == 2
