"""The processes that load the samples: how many there are, and what is shown of those that die or are stopped."""

import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.engine.data.augmented import Augmented
from registry.engine.data.loader import EpochOrder, batches, close, make_loader, workers_for
from registry.errors import Hw1Error, InputError


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that pins processes")
def test_processes_load_only_where_loading_is_much_of_a_step():
    spare = max(0, min(8, len(os.sched_getaffinity(0)) - 1))
    assert workers_for("auto", 5000) == spare
    assert workers_for("auto", 5000, share=0.5) == spare
    assert workers_for("auto", 5000, share=0.05) == 0
    assert workers_for("auto", 100) == 0
    assert workers_for(3, 100, share=0.0) == 3


class Leaving:
    """Four small images; the third one ends its process, or takes long."""

    names = ("a.png", "b.png", "c.png", "d.png")

    def __init__(self, how: Any) -> None:
        self.how = how

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 2:
            self.how()
        return {"image": np.zeros((4, 4, 3), np.uint8), "name": self.names[index]}


def load(how: Any, timeout: float) -> int:
    """How many batches of one image two workers deliver."""
    loader = make_loader(
        Augmented(Leaving(how), None, seed=1), EpochOrder(4, 1, seed=None), workers=2, pin_memory=False, timeout=timeout
    )
    try:
        return len(list(batches(loader)))
    finally:
        close(loader)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda: os._exit(0), "ended with exit code 0"),
        (lambda: os._exit(7), "ended with exit code 7"),
        (interrupt, "ended with exit code 0"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
    ],
)
def test_a_worker_that_dies_is_reported_at_once_with_how_it_ended(how: Any, message: str) -> None:
    with pytest.raises(Hw1Error, match=rf"a loader's worker {message}, while they read .*c\.png"):
        load(how, timeout=3600)


def take_two_seconds() -> None:
    for _ in range(20):
        time.sleep(0.1)


def load_in_a_session_of_its_own() -> None:
    os.setsid()
    assert load(take_two_seconds, timeout=4) == 4


def test_a_run_that_is_stopped_for_longer_than_worker_timeout_goes_on() -> None:
    """Ctrl-Z, a debugger, a machine that sleeps: all of its processes are stopped, and go on later."""
    process = multiprocessing.get_context("fork").Process(target=load_in_a_session_of_its_own)
    process.start()
    time.sleep(1)
    os.killpg(process.pid, signal.SIGSTOP)  # type: ignore[arg-type]
    time.sleep(5)
    os.killpg(process.pid, signal.SIGCONT)  # type: ignore[arg-type]
    process.join(60)
    assert process.exitcode == 0


def test_too_few_open_files_for_workers_are_named_before_they_start() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, before[1]))
    try:
        with pytest.raises(InputError, match=r"runtime\.workers: 2 need 40 more open files, and \d+ of \d+ are left"):
            load(print, timeout=60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
