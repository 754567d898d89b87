"""Jobs handed to submitit: SLURM's, as arrays, or processes of this machine that submitit keeps."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..errors import STOPPED, InputError
from ..signals import PARENT
from .loop import Executor, Job
from .processes import Processes, shares

#: Minutes that a job asks for where the command gives no ``time``: one that reaches its end is saved and queued anew.
_MINUTES: Final = 240
#: Minutes that a job of this machine may take, and how often one may reach its time.
_A_YEAR, _OFTEN = 60 * 24 * 365, 1000


def executor_of(folder: Path, name: str | None, number: int, gpus: int = 1, options: Sequence[str] = ()) -> Executor:
    """What carries out jobs: processes of this one where ``name`` is None, else submitit; see ``Submitted``."""
    return Processes(number, gpus) if name is None else Submitted(folder, name, number, gpus, options)


class Submitted:
    """Jobs of submitit; those that are ready together are one array. A preempted one is saved, queued and goes on.

    Args:
        folder: of submitit's own files.
        cluster: ``slurm``, or ``local`` for this machine.
        number: of jobs at a time.
        gpus: of each.
        options: of SLURM, ``KEY=VALUE`` each, as ``submitit.SlurmExecutor.update_parameters`` has them.

    Raises:
        InputError: submitit or SLURM is not installed, or an option is not one of SLURM.
    """

    def __init__(self, folder: Path, cluster: str, number: int, gpus: int = 1, options: Sequence[str] = ()) -> None:
        if find_spec("submitit") is None:
            hint = "pip install 'hw1cli[slurm]'; --jobs needs nothing"
            raise InputError.of("--executor", "needs submitit, which is not installed", hint)
        import submitit

        wrong = [option for option in options if "=" not in option]
        if wrong:
            raise InputError.of("--slurm", f"expected KEY=VALUE, got {wrong[0]!r}", "such as partition=gpu")
        given = {key: int(value) if value.isdigit() else value for key, _, value in (o.partition("=") for o in options)}
        self._slots = shares(number, gpus) if cluster == "local" else [dict[str, str]() for _ in range(number)]
        settings: dict[str, Any] = {"timeout_min": _A_YEAR, "stderr_to_stdout": True}
        if cluster == "slurm":
            common = {"gpus_per_node": gpus, "slurm_time": _MINUTES, "slurm_array_parallelism": number}
            settings = {"stderr_to_stdout": True, **common, **{f"slurm_{key}": value for key, value in given.items()}}
        limit = {f"{cluster}_max_num_timeout": _OFTEN}
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster, **limit)
            self._executor.update_parameters(name="hw1cli", **settings)
        except (RuntimeError, NameError, ValueError, AssertionError) as error:
            raise InputError.of("--executor" if cluster == "slurm" and not given else "--slurm", str(error)) from error
        self._cluster, self._stopping = cluster, False
        self._running: dict[str, tuple[submitit.Job[int], dict[str, str]]] = {}

    def room(self) -> int:
        return len(self._slots)

    def start(self, jobs: Sequence[Job]) -> None:
        slots = [self._slots.pop(0) for _ in jobs]
        with self._executor.batch():
            submitted = [
                self._executor.submit(Command(list(job.command), job.log, slot))
                for job, slot in zip(jobs, slots, strict=True)
            ]
        for job, handle, slot in zip(jobs, submitted, slots, strict=True):
            self._running[job.name] = (handle, slot)

    def ended(self) -> Mapping[str, int]:
        found = {name: self._code(job) for name, (job, _) in self._running.items() if job.done()}
        for name in found:
            self._slots.append(self._running.pop(name)[1])
        return found

    def stop(self) -> None:
        for job, _ in self._running.values():
            if self._cluster == "local" and not self._stopping:
                os.kill(int(job.job_id), signal.SIGTERM)  # which its command gets, where submitit's cancel would kill
            else:
                job.cancel(check=False)
        self._stopping = True

    def _code(self, job: Any) -> int:
        import submitit

        try:
            return int(job.result())
        except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError):
            return STOPPED if self._stopping else -signal.SIGKILL  # it has left no result


class Command:
    """What submitit carries out: a command whose output is appended to a log; gives its exit code.

    Args:
        words: the program and its words.
        log: the file.
        environment: changes of the environment.
    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.words, self.log, self.environment = words, log.absolute(), dict(environment)

    def __call__(self) -> int:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.environment, PARENT: str(os.getpid())}
        # The signal that announces a preemption is for submitit, which calls ``checkpoint``.
        deaf = partial(signal.signal, signal.SIGUSR2, signal.SIG_IGN)
        with open(self.log, "ab") as log:
            settings: dict[str, Any] = {"stdout": log, "stderr": subprocess.STDOUT, "env": environment}
            process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, preexec_fn=deaf, **settings)
        self._process: subprocess.Popen[bytes] | None = process
        if "SLURM_JOB_ID" not in os.environ:  # SLURM itself signals all processes of a job
            signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        _wait(process)
        return process.wait()

    def checkpoint(self) -> Any:
        """Stop the command, which saves its state, and have it carried out once more."""
        import submitit

        if (process := self.__dict__.pop("_process", None)) is not None:
            process.terminate()
            _wait(process)
        return submitit.helpers.DelayedSubmission(self)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, also in a signal's handler, where ``Popen.wait`` would wait for itself."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
