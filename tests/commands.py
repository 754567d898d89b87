"""The command line in processes of their own, forked from one that has imported the libraries already.

An import of torch, torchmetrics and timm costs seconds of processor time, and hundreds of tests start a command. Here a
server imports them once, and each command is forked from it: hw1cli's own modules, plugins, arguments, environment,
streams, signals and exit codes are as in a process started by a shell. Tests of starting itself start a new one.
"""

from __future__ import annotations

import atexit
import io
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
#: Libraries that a command may import; hw1cli's own modules are not among them.
LIBRARIES = (
    *("torch", "torch.utils.data", "torch._dynamo", "torchvision", "torchmetrics", "timm", "albumentations"),
    *("segmentation_models_pytorch", "lightning.fabric", "matplotlib.figure", "sklearn.manifold", "scipy.stats"),
    *("tensorboard.compat", "torch.utils.tensorboard", "rich.live", "jinja2"),
)
#: In place of a file: the stream is closed, as with ``>&-`` in a shell.
CLOSED = "closed"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LIBRARIES))


def _run(words: list[str], cwd: str, environment: dict[str, str], streams: tuple[str, str]) -> None:
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # loaders start their processes as they always do
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [entry for entry in path if entry not in sys.path]
    for number, (name, file) in enumerate(zip(("stdout", "stderr"), streams, strict=True), 1):
        if file == CLOSED:
            os.close(number)
            setattr(sys, name, None)  # as the interpreter has it at its start
            continue
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
        setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", write_through=True))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [str(ROOT / "hw1cli.py"), *words]
    sys.path.insert(0, str(ROOT))
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


class Command:
    """``hw1cli`` with some words, running in a session of its own; used as ``subprocess.Popen`` is.

    Args:
        output: what it writes its standard output to, in place of a file of its own; with ``CLOSED`` both streams are.
    """

    def __init__(self, *words: Any, cwd: Path = ROOT, output: Path | str | None = None) -> None:
        self.args = ["hw1cli", *map(str, words)]
        self._folder = Path(tempfile.mkdtemp())
        self._files = (self._folder / "stdout", self._folder / "stderr")
        for file in self._files:
            file.touch()
        streams = (str(output or self._files[0]), CLOSED if output == CLOSED else str(self._files[1]))
        environment = {**os.environ, "COLUMNS": "100"}
        self._process = _context.Process(target=_run, args=(self.args[1:], str(cwd), environment, streams))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, -N if signal N killed it, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def read(self) -> tuple[str, str]:
        """What it has written so far to standard output and standard error."""
        output, errors = (file.read_text("utf-8", "replace") for file in self._files)
        return output, errors

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return self.read()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def until(self, path: Path, seconds: float = 240) -> None:
        """Wait until the file exists, which it must before the command ends."""
        deadline = time.monotonic() + seconds
        while not path.exists():
            assert self.poll() is None, self.read()
            assert time.monotonic() < deadline, self.read()
            time.sleep(0.002)

    def close(self) -> None:
        """Kill it and what it has started, and forget what it wrote."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        shutil.rmtree(self._folder)


def run(*words: Any, cwd: Path = ROOT, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The command and what came of it, as from ``subprocess.run``."""
    command = Command(*words, cwd=cwd)
    try:
        output, errors = command.communicate(timeout)
        return subprocess.CompletedProcess(command.args, command.wait(), output, errors)
    finally:
        command.close()
