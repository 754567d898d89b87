"""Faults of a run in processes of their own: hung loaders, signals, kills within an epoch, broken checkpoints."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
import torch
from commands import Command
from runs import same, train, weights

from plugins.hw1.landcover import LandCover
from registry.engine.records import checkpoints
from registry.engine.records.checkpoints import BrokenCheckpoint, CheckpointWriter, load, load_newest
from registry.engine.records.run_folder import clear_unfinished_start
from registry.errors import Hw1Error
from registry.results.runs import read_if_done

#: A data set whose sample 5 never comes, and a report that never ends.
HANGING = {
    "hanging.py": """
    import time
    from pathlib import Path
    from plugins.hw1.landcover import LandCover

    class Samples:
        def __init__(self, samples, where):
            self.samples, self.where, self.names = samples, where, samples.names

        def __len__(self):
            return len(self.samples)

        def __getitem__(self, index):
            if index == 5 and Path(self.where).exists():
                Path(self.where).with_suffix(".reached").touch()
                time.sleep(1e6)
            return self.samples[index]

    class Data:
        def __init__(self, root, where):
            self.data, self.where = LandCover(root), where
            self.facts = self.data.facts

        def split(self, name):
            return Samples(self.data.split(name), self.where) if name == "train" else self.data.split(name)

    class Report:
        at = ["first"]
        def __init__(self, where):
            self.where = where
        def __call__(self, run, epoch):
            Path(self.where).with_suffix(".reached").touch()
            time.sleep(1e6)
    """,
    "hanging_specs.py": """
    from pathlib import Path

    def data(*, root: Path, where: str) -> "object":
        "Samples of which one never comes, once the file exists."
        from hanging import Data
        return Data(root, where)

    def report(*, where: str) -> "object":
        "A report that never ends."
        from hanging import Report
        return Report(where)
    """,
}


@pytest.fixture
def begin(start, install, stranger, recipe, scenes, tmp_path):
    """begin(*sets): the command in a session of its own; its run folder is ``tmp_path / 'run'``."""
    install("hanging", {"datasets/hangs": "hanging_specs:data", "reports/hangs": "hanging_specs:report"}, HANGING)
    return lambda *sets: start(
        "run", recipe, "--out", tmp_path / "run", *(word for each in sets for word in ("--set", each))
    )


def children(process: Command) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


def hanging_data(scenes: Path, tmp_path: Path) -> tuple[Path, str]:
    """The file that lets a sample hang, and the data set; rehearsals come to an end while the file does not exist."""
    where = tmp_path / "hang.now"
    return where, f"data={{use: hangs, root: {scenes}, where: {where}}}"


def test_a_loader_that_hangs_ends_the_run_and_the_message_names_the_sample(begin, scenes, tmp_path):
    where, data = hanging_data(scenes, tmp_path)
    process = begin(data, "runtime.workers=1", "runtime.worker_timeout=4", "trainer.epochs=1000")
    process.until(tmp_path / "run" / "checkpoints" / "last.pt")
    where.touch()
    process.until(where.with_suffix(".reached"))
    workers = children(process)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "for 4 s" in stderr and "runtime.worker_timeout" in stderr
    name = LandCover(scenes).split("train").names[5]  # of a batch of four
    assert f"while they read {name} hint:" in " ".join(stderr.split())
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_a_run_that_waits_for_a_hung_loader(begin, scenes, tmp_path, number):
    where, data = hanging_data(scenes, tmp_path)
    process = begin(data, "runtime.workers=1", "trainer.epochs=1000")
    process.until(tmp_path / "run" / "checkpoints" / "last.pt")
    where.touch()
    process.until(where.with_suffix(".reached"))
    time.sleep(1)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 75 and "the state is saved" in stderr, stderr


def test_a_second_signal_ends_a_run_that_does_not_come_to_a_step(begin, tmp_path):
    where = tmp_path / "hang.now"
    process = begin(f"reports=[{{use: hangs, where: {where}, at: [2]}}]".replace(", at: [2]", ""), "trainer.epochs=3")
    process.until(where.with_suffix(".reached"))
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode in (1, 75), stderr
    assert "interrupted" in stderr or "second signal" in stderr


def test_workers_die_with_a_parent_that_is_killed(begin, scenes, tmp_path):
    where, data = hanging_data(scenes, tmp_path)
    process = begin(data, "runtime.workers=1", "trainer.epochs=1000")
    process.until(tmp_path / "run" / "checkpoints" / "last.pt")
    where.touch()
    process.until(where.with_suffix(".reached"))
    workers = children(process)
    assert workers
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}/stat").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{worker}/stat").exists() for worker in workers)


def test_a_kill_within_the_first_epoch_loses_what_save_every_allows(begin, stranger, recipe, tmp_path):
    sets = ["trainer.batch_size=2", "trainer.epochs=400", "trainer.evaluate_every=400", "trainer.save_every=1 step"]
    process = begin(*sets, "trainer.sampling=balanced")
    process.until(tmp_path / "run" / "checkpoints" / "last.pt")
    process.kill()
    process.communicate()
    state, sentence = load_newest(tmp_path / "run" / "checkpoints")
    assert sentence is None
    position = state["position"]
    assert (position["epoch"], position["batch"]) != (1, 0)
    short = [each for each in sets if "epochs" not in each] + ["trainer.sampling=balanced"]
    end = f"trainer.epochs={position['epoch'] + 1}"
    train(recipe, tmp_path / "run", *short, "trainer.evaluate_every=400", end, resume=True)
    train(recipe, tmp_path / "whole", *short, "trainer.evaluate_every=400", end)
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


# --- checkpoints --------------------------------------------------------------------------------


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_last_checkpoint_is_replaced_by_the_one_before(stranger, recipe, tmp_path):
    train(recipe, tmp_path / "whole", "trainer.epochs=3")
    train(recipe, tmp_path / "run", "trainer.epochs=2")
    flip_a_byte(tmp_path / "run" / "checkpoints" / "last.pt")
    summary = train(recipe, tmp_path / "run", "trainer.epochs=3", resume=True)
    assert any("previous.pt" in caveat for caveat in summary["caveats"])
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


class Attack:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def write_attack(path: Path, tmp_path: Path) -> None:
    torch.save({"format": checkpoints.FORMAT, "task": Attack(tmp_path / "harmed")}, path)


def write_foreign(path: Path, tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], path)


def write_archive(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "not a checkpoint")


def write_pickle(path: Path, tmp_path: Path) -> None:
    path.write_bytes(pickle.dumps({"format": checkpoints.FORMAT}))


def write_position(path: Path, tmp_path: Path) -> None:
    whole = {"format": checkpoints.FORMAT, "task": {}, "precision": "fp32", "memory_format": "contiguous"}
    torch.save({**whole, "position": {"epoch": "one"}}, path)


@pytest.mark.parametrize("write", [write_attack, write_foreign, write_archive, write_pickle, write_position])
def test_a_file_that_is_not_a_checkpoint_is_refused_in_our_words(tmp_path, write):
    path = tmp_path / "last.pt"
    write(path, tmp_path)
    with pytest.raises(BrokenCheckpoint) as caught:
        load(path)
    text = f"{caught.value} {caught.value.hint}"
    assert str(path) in text and "weights_only" not in text
    assert not (tmp_path / "harmed").exists()


def test_what_is_written_is_the_state_at_the_time_of_the_call(tmp_path):
    weight, steps = torch.zeros(3), {"count": [1]}
    state = {"task": {"weight": weight}, "steps": steps, "precision": "fp32", "memory_format": "contiguous"}
    with CheckpointWriter() as writer:
        writer.save(tmp_path / "last.pt", state)
        weight += 1
        steps["count"].append(2)
        writer.save(tmp_path / "best.pt", state)
    first, second = load(tmp_path / "last.pt"), load(tmp_path / "best.pt")
    assert first["task"]["weight"].tolist() == [0, 0, 0] and first["steps"] == {"count": [1]}
    assert second["task"]["weight"].tolist() == [1, 1, 1] and second["steps"] == {"count": [1, 2]}


def test_an_error_of_writing_is_raised_at_the_latest_when_the_writer_ends(tmp_path):
    with pytest.raises(Hw1Error, match="could not be written"), CheckpointWriter() as writer:
        writer.save(tmp_path / "missing" / "last.pt", {"weight": torch.zeros(1)})


# --- nothing of the user's is deleted -----------------------------------------------------------


@pytest.mark.parametrize("kept", ["notes.txt", "checkpoints/best.pt"])
def test_a_run_without_a_checkpoint_is_moved_aside_where_it_holds_something_else(tmp_path, kept):
    run = tmp_path / "small"
    (run / "checkpoints").mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    (run / kept).write_text("mine")
    aside = clear_unfinished_start(run)
    assert not run.exists()
    assert (aside / kept).read_text() == "mine" and aside.parent == tmp_path


def test_a_run_that_only_began_is_deleted(tmp_path):
    run = tmp_path / "small"
    (run / "checkpoints").mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    assert clear_unfinished_start(run) is None
    assert not run.exists()


def test_any_error_of_one_run_of_a_study_leaves_the_others(stranger, install, recipe, tmp_path, hw1cli):
    files = {
        "failing.py": """
        from torch import nn
        class Loss(nn.CrossEntropyLoss):
            def forward(self, logits, target):
                if self.training and logits.requires_grad and Loss.count > 3:
                    raise ZeroDivisionError("by chance")
                Loss.count += 1
                return super().forward(logits, target)
        Loss.count = 0
        """,
        "failing_specs.py": """
        def failing() -> "object":
            "A loss that fails after some steps."
            from failing import Loss
            return Loss()
        """,
    }
    install("failing", {"losses/failing": "failing_specs:failing"}, files)
    recipe.write_text(recipe.read_text() + "runs: {bad: {loss: failing}, good: {}}\n")
    ended = hw1cli("run", recipe, "--out", tmp_path / "study")
    assert ended.returncode in (1, 3), ended.stderr
    assert re.search(r"run that failed +reason[^b]*bad +ZeroDivisionError: by chance", ended.stdout), ended.stdout
    assert read_if_done(tmp_path / "study" / "good") is not None
    assert read_if_done(tmp_path / "study" / "bad") is None
