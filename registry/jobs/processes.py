"""Jobs as processes of this machine, each with its share of the processors and a GPU of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..signals import PARENT
from .loop import Job


class Processes:
    """So many processes at a time; each is in a session of its own, so that Ctrl-C reaches this process alone.

    Args:
        number: of processes at a time, 1 or more.
        gpus: that each gets, round robin; more processes than GPUs share them.
    """

    def __init__(self, number: int, gpus: int = 1) -> None:
        self._slots = shares(number, gpus)
        self._running: dict[str, tuple[subprocess.Popen[bytes], dict[str, str]]] = {}
        self._asked = 0

    def room(self) -> int:
        return len(self._slots)

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            slot = self._slots.pop(0)
            job.log.parent.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, **slot, PARENT: str(os.getpid())}
            settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "env": environment}
            with open(job.log, "ab") as log:
                process = subprocess.Popen(job.command, stdout=log, start_new_session=True, **settings)
            self._running[job.name] = (process, slot)

    def ended(self) -> Mapping[str, int]:
        found = {name: code for name, (process, _) in self._running.items() if (code := process.poll()) is not None}
        for name in found:
            self._slots.append(self._running.pop(name)[1])
        return found

    def stop(self) -> None:
        """Send SIGTERM, from the third time on SIGKILL to all that each job has started."""
        self._asked += 1
        for process, _ in self._running.values():
            with suppress(ProcessLookupError):
                if self._asked < 3:
                    process.send_signal(signal.SIGTERM)
                else:
                    os.killpg(process.pid, signal.SIGKILL)


def shares(number: int, gpus: int) -> list[dict[str, str]]:
    """What each of ``number`` jobs has in its environment: its share of the processors, and its GPUs, round robin."""
    visible = visible_gpus()
    gpu = itertools.cycle(visible)
    threads = str(max(1, processors() // number))
    each = {name: os.environ.get(name, threads) for name in ("OMP_NUM_THREADS", "HW1CLI_PROCESSORS")}
    own = [{"CUDA_VISIBLE_DEVICES": ",".join(next(gpu) for _ in range(gpus))} if visible else {} for _ in range(number)]
    return [each | one for one in own]


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that CUDA_VISIBLE_DEVICES names, else all of this machine, by their numbers."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [gpu for gpu in named.replace(" ", "").split(",") if gpu and gpu != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]
