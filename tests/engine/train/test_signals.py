"""Signals at any time: while the command starts, prepares, extracts features, draws, evaluates, and between runs."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import ROOT, Command
from runs import same, train, weights

from registry.signals import Interrupted, StopRequest, handled, held, interrupt

#: A data set and a report that wait as long as a file exists, and create another one while they do.
WAITING = {
    "waiting.py": """
    import time
    from pathlib import Path
    from plugins.folders.image_folders import ImageFolders

    def wait(file):
        while Path(file).exists():
            Path(file).with_suffix(".reached").touch()
            time.sleep(0.02)

    class Samples:
        def __init__(self, samples, where):
            self.samples, self.where = samples, where
            self.names, self.labels = samples.names, samples.labels

        def __len__(self):
            return len(self.samples)

        def __getitem__(self, index):
            if index == 5 and Path("{folder}/run/plan.json").exists():
                wait(self.where + ".reading")
            return self.samples[index]

    class Data:
        def __init__(self, root, where):
            wait(where + ".opening")
            self.data, self.where = ImageFolders(root), where
            self.facts = self.data.facts

        def split(self, name):
            return Samples(self.data.split(name), self.where)

    class Report:
        at = ["first"]
        def __init__(self, where):
            self.where = where
        def __call__(self, run, epoch):
            wait(self.where + ".drawing")
    """,
    "waiting_specs.py": """
    from pathlib import Path

    def data(*, root: Path, where: str = "{folder}/wait") -> "object":
        "Images in folders, that wait."
        from waiting import Data
        return Data(root, where)

    def report(*, where: str = "{folder}/wait") -> "object":
        "A report that waits."
        from waiting import Report
        return Report(where)
    """,
}


class Waiting:
    """Where components wait, by the suffixes ``opening``, ``reading`` and ``drawing``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def at(self, what: str) -> None:
        (self.folder / f"wait.{what}").touch()

    def reached(self, process: Command) -> None:
        process.until(self.folder / "wait.reached")

    def end(self) -> None:
        for file in self.folder.glob("wait.*"):
            file.unlink()


@pytest.fixture
def waiting(install, stranger, shapes: Path, tmp_path: Path) -> Waiting:
    files = {name: text.replace("{folder}", str(tmp_path)) for name, text in WAITING.items()}
    install("waiting", {"datasets/waits": "waiting_specs:data", "reports/waits": "waiting_specs:report"}, files)
    shapes.write_text(shapes.read_text().replace("use: image_folders", "use: waits") + "reports: [waits]\n")
    return Waiting(tmp_path)


@contextmanager
def new(*words: object, before: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """A command started by an interpreter of its own, whose imports are the subject."""
    command = [*before, sys.executable, str(ROOT / "hw1cli.py"), *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def end(process: Command | subprocess.Popen[str], number: int) -> str:
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75 and "Traceback" not in stderr, stderr
    return stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_preparing_ends_the_run_before_anything_is_written(waiting, start, shapes, tmp_path, number):
    waiting.at("opening")
    process = start("run", shapes, "--out", tmp_path / "run")
    waiting.reached(process)
    assert f"{signal.Signals(number).name} while preparing; nothing was written" in end(process, number)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("library", ["_yaml.", "libtorch_cpu"])
def test_a_signal_while_libraries_are_imported_ends_the_run_in_the_same_way(waiting, shapes, tmp_path, library):
    with new("run", shapes, "--out", tmp_path / "run") as process:
        while library not in Path(f"/proc/{process.pid}/maps").read_text():
            time.sleep(0.01)
        assert "SIGTERM while preparing; nothing was written" in end(process, signal.SIGTERM)


def test_a_signal_while_a_resumed_run_is_prepared_leaves_it_as_it_was(waiting, start, shapes, tmp_path):
    train(shapes, tmp_path / "run", "trainer.epochs=2")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    waiting.at("opening")
    process = start("run", shapes, "--out", tmp_path / "run", "--resume")
    waiting.reached(process)
    assert "give the same command again" in end(process, signal.SIGTERM)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_a_signal_while_features_are_extracted_saves_the_state(waiting, start, shapes, colored_images, tmp_path):
    shapes.write_text(
        f"""
        trainer: {{use: linear_probe, epochs: 2, batch_size: 8}}
        data: {{use: waits, root: {colored_images}}}
        backbone: stranger_net
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """
    )
    waiting.at("reading")
    process = start("run", shapes, "--out", tmp_path / "run")
    waiting.reached(process)
    assert "the state is saved" in end(process, signal.SIGTERM)
    waiting.end()
    train(shapes, tmp_path / "run", resume=True)
    train(shapes, tmp_path / "whole")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def test_a_signal_while_a_report_is_drawn_is_obeyed_after_it(waiting, start, shapes, tmp_path):
    waiting.at("drawing")
    process = start("run", shapes, "--out", tmp_path / "run")
    waiting.reached(process)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    waiting.end()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75 and "the state is saved" in stderr


def test_a_signal_between_the_runs_of_a_study_leaves_the_finished_ones(waiting, start, shapes, tmp_path, hw1cli):
    shapes.write_text(shapes.read_text() + "runs: {one: {}, two: {seed: 1}}\n")
    process = start("run", shapes, "--out", tmp_path / "study")
    process.until(tmp_path / "study" / "one" / "plan.json")
    waiting.at("opening")  # of the second run's data
    waiting.reached(process)
    assert "the same command continues" in end(process, signal.SIGTERM)
    assert not (tmp_path / "study" / "two").exists()
    waiting.end()
    ended = hw1cli("run", shapes, "--out", tmp_path / "study")
    assert ended.returncode == 0 and "already finished" in ended.stdout


@pytest.mark.parametrize("words", [["evaluate"], ["predict", "--out", "labels.csv"]])
def test_a_signal_ends_other_commands_with_what_is_kept(waiting, shapes, colored_images, tmp_path, words):
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    command, *others = words
    out = tmp_path / "predicted"
    inputs = [colored_images / "val" / "red", "--out", out / others[1]] if others else []
    with new(command, tmp_path / "run", *inputs) as process:
        while "libtorch_cpu" not in Path(f"/proc/{process.pid}/maps").read_text():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and "stopped by SIGTERM; nothing was written" in stderr, stderr
    assert "Traceback" not in stderr and not out.exists() and not (tmp_path / "run" / "evaluation").exists()


def test_a_run_under_nohup_outlives_its_terminal_and_one_that_is_done_a_late_signal(waiting, shapes, tmp_path):
    waiting.at("opening")
    with new("run", shapes, "--out", tmp_path / "run", before=("nohup",)) as process:
        while not (tmp_path / "wait.reached").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        waiting.end()
        assert process.stdout is not None and any(line.startswith("run folder") for line in process.stdout)
        process.send_signal(signal.SIGTERM)  # while the interpreter leaves
        assert process.wait(timeout=120) == 0
    assert (tmp_path / "run" / "summary.json").exists()


def test_a_signal_breaks_neither_an_import_that_ends_soon_nor_what_is_held(tmp_path, monkeypatch):
    """An exception out of one of torch's modules aborts the process."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_module.py").write_text("import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(0.2)\nend = 1")
    with pytest.raises(Interrupted, match="SIGTERM"), handled(interrupt):
        import slow_module  # type: ignore[import-not-found]

        time.sleep(10)
    assert slow_module.end
    begun = []
    with pytest.raises(Interrupted, match="SIGTERM"), handled(interrupt):
        with held():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
            begun.append(1)
        time.sleep(10)
    assert begun
    (tmp_path / "endless.py").write_text("import os, time\nos.kill(os.getpid(), 15)\nwhile True: time.sleep(0.1)")
    with pytest.raises(Interrupted, match="SIGTERM"), handled(interrupt):
        import endless  # type: ignore[import-not-found] # noqa: F401


def test_a_process_that_was_forked_leaves_signals_to_its_parent():
    """As a loader's process does between its start and the moment from which it ignores signals."""
    with StopRequest() as stop:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7 if stop else 0)
        assert os.waitpid(child, 0)[1] == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.name == "SIGTERM"


def wait_without_coming_to_a_handler() -> None:
    with StopRequest(code=lambda: 75):
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def test_two_signals_end_a_process_that_never_comes_to_a_handler():
    """As in one long computation, or on a disk that does not answer."""
    process = multiprocessing.get_context("fork").Process(target=wait_without_coming_to_a_handler)
    process.start()
    for _ in range(2):
        time.sleep(1)
        assert process.is_alive() and process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    process.kill()
    assert process.exitcode == 75
