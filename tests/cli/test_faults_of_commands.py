"""Faults of the commands that write: killed at any write, a full disk, a user who may do little, few threads."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from runs import train

import hw1cli as command_line

RECIPE = """
trainer: {{use: classification, epochs: 1, batch_size: 8}}
data: {{use: image_folders, root: {root}}}
model: {{use: classifier, backbone: {{use: resnet18, width: 8}}}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
"""
#: What each command writes, and its words before --out.
COMMANDS = {
    "evaluate": ("scores", "evaluate", "{run}"),
    "predict": ("labels.csv", "predict", "{run}", "{images}/val", "--recursive"),
    "report": ("page.html", "report", "{run}"),
    "export": ("model.safetensors", "export", "{run}", "--to", "safetensors"),
    "pack": ("packed", "data", "pack", "{images}"),
}
WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, colored_images: Path) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "small.yaml").write_text(RECIPE.format(root=colored_images))
    train(folder / "small.yaml", folder / "run")
    return folder / "run"


@dataclass
class Ended:
    """A command that has ended: its exit code, -N where signal N killed it, and what it printed."""

    code: int
    text: str


def forked(words: list[Any], before: Callable[[], None] = lambda: None) -> Ended:
    """The command line in a process forked from this one, which has the libraries; ``before`` is called in it first."""
    with tempfile.TemporaryFile("w+") as shown:

        def carry_out() -> None:
            sys.stdout = sys.stderr = io.TextIOWrapper(
                io.FileIO(shown.fileno(), "w", closefd=False), "utf-8", write_through=True
            )
            before()
            try:
                command_line.main([str(word) for word in words])
            except SystemExit as left:
                os._exit(left.code if isinstance(left.code, int) else 1)

        process = multiprocessing.get_context("fork").Process(target=carry_out)
        process.start()
        process.join(240)
        assert process.exitcode is not None
        shown.seek(0)
        return Ended(process.exitcode, shown.read())


def words_of(command: str, run: Path, images: Path, folder: Path) -> list[Any]:
    name, *words = COMMANDS[command]
    return [*(word.format(run=run, images=images) for word in words), "--out", folder / name]


def at_write(number: int, folder: Path, act: Callable[[], None]) -> Callable[[], None]:
    """Before a command: call ``act`` at one of its writes below a folder."""
    seen = iter(range(1, sys.maxsize))

    def hook(event: str, given: tuple[Any, ...]) -> None:
        writes = event in WRITES or (event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(folder) in str(given[0]) and next(seen) == number:
            act()

    return lambda: sys.addaudithook(hook)


def content(folder: Path) -> dict[str, int]:
    """The files below a folder and their sizes, hidden ones left out."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    return {name: size for name, size in names.items() if not any(part.startswith(".") for part in Path(name).parts)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_killed_at_any_write_leaves_all_or_nothing_and_works_again(
    run: Path, colored_images: Path, tmp_path: Path, command: str
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    count = tmp_path / "count"

    def note() -> None:
        with suppress(OSError), count.open("a") as file:
            file.write(".")

    ended = forked(words_of(command, run, colored_images, whole), at_write(-1, whole, note))
    assert ended.code == 0, ended.text
    for number, (write, received) in enumerate([(2, signal.SIGKILL), (3, signal.SIGKILL), (3, signal.SIGTERM)]):
        folder = tmp_path / f"killed{number}"
        folder.mkdir()
        words = words_of(command, run, colored_images, folder)
        killed = forked(words, at_write(write, folder, partial(signal.raise_signal, received)))
        assert killed.code in (-received, 1) and "Traceback" not in killed.text, killed.text
        left = content(folder)
        assert left in ({}, content(whole)), killed.text
        assert killed.code == -signal.SIGKILL or left or "nothing was written" in killed.text, killed.text
        if not left:
            again = forked(words)
            assert again.code == 0, again.text
        assert content(folder).keys() == content(whole).keys()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_message_and_nothing_is_written(run: Path, colored_images: Path, disk: Path) -> None:
    (disk / "mine").write_bytes(bytes(8000))
    for command in COMMANDS:
        ended = forked(words_of(command, run, colored_images, disk))
        assert ended.code in (1, 2) and "No space left on device" in ended.text, ended.text
        assert "Traceback" not in ended.text and "raised at" not in ended.text, ended.text
        assert list(disk.iterdir()) == [disk / "mine"]


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    tempfile.tempdir = "/tmp"


def without_threads() -> None:
    become_nobody()
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_a_user_may_not_do_is_one_message(run: Path, colored_images: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # which others may enter, as they may not pytest's
    try:
        folder.chmod(0o777)
        images, saved = shutil.copytree(colored_images, folder / "images"), shutil.copytree(run, folder / "run")
        recipe = folder / "small.yaml"
        recipe.write_text(RECIPE.format(root=images))
        new = ["run", recipe, "--out", folder / "new"]
        predict = ["predict", saved, images / "val", "--recursive", "--out"]
        cases = [
            (["run", recipe, "--out", saved, "--resume"], become_nobody, 2, f"{saved} is read-only"),
            ([*predict, saved / "labels.csv"], become_nobody, 1, "Permission denied"),
            ([*predict, folder / "labels.csv"], without_threads, 1, "no more threads or processes"),
            (new, without_threads, 1, "no more threads or processes"),
            (new, become_nobody, 2, "red: cannot be read: Permission denied"),
            (new, become_nobody, 2, "may not be read by this user"),
        ]
        for words, before, code, message in cases:
            (images / "train" / "red").chmod(0o700 if "red" in message else 0o755)
            images.chmod(0o700 if "by this user" in message else 0o755)
            shutil.rmtree(folder / "new", ignore_errors=True)
            ended = forked(words, before)
            assert ended.code == code and message in ended.text.replace("\n", ""), ended.text
            assert "Traceback" not in ended.text
    finally:
        shutil.rmtree(folder)
