"""Several processes on this machine train one model: the same figures as one process, and the same promises."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from conftest import ROOT
from runs import train
from torch import nn

from registry.engine.data.loader import EpochOrder

#: Columns that measure time.
SPEED = ("images_per_second", "seconds")
pytestmark = pytest.mark.slow


def launch(*words: str, processes: int = 2) -> subprocess.Popen[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    path = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, *torchrun, *words], cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def figures(run: Path) -> list[dict[str, float]]:
    with open(run / "metrics.csv", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if key not in SPEED} for row in csv.DictReader(file)]


#: Methods with their settings; those after the first one compare the samples of a batch.
METHODS = {
    "byol": "hidden_dim: 32, output_dim: 8",
    "simclr": "hidden_dim: 32, output_dim: 8",
    "moco": "hidden_dim: 32, output_dim: 8, queue: 64",
    "dino": "hidden_dim: 32, bottleneck_dim: 8, output_dim: 16",
}


def self_supervised(method: str, folder: Path, images: Path) -> Path:
    """A recipe of which the last batch, of 6 images, has no equal shares."""
    path = folder / f"{method}.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: {method}, epochs: 2, batch_size: 9, {METHODS[method]}}}
        data: {{use: image_folders, root: {images}}}
        backbone: stranger_net
        views: [{{use: byol_view_1, size: 16}}, {{use: byol_view_2, size: 16}}]
        optimizer: {{use: sgd, lr: 0.001}}
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    return path


@pytest.fixture
def classes(shapes: Path) -> Path:
    """The recipe of three colours without what draws random numbers in the network: each process draws its own."""
    text = shapes.read_text().replace("mixup: 0.2, cutmix: 1.0, ", "").replace(", dropout: 0.1", "")
    shapes.write_text(text + "reports: [confusion_matrix]\n")
    return shapes


#: What each of the processes does: a layer with synchronized batch normalisation, then each recipe.
BOTH = """
import sys
from pathlib import Path
import torch
from torch import distributed
from test_processes import normalized_convolution
from registry.engine.runtime import processes
from registry.engine.runtime.batch_norm import synchronize
from runs import train
folder = Path(sys.argv[1])
processes.start(60)
given, layer = torch.load(folder / "input.pt"), normalized_convolution()
layer.load_state_dict(given["layer"])
assert synchronize(layer, torch.device("cpu")) == []
layer(given["images"][processes.rank()::3]).square().sum().backward()
for parameter in layer.parameters():
    distributed.all_reduce(parameter.grad)
if processes.rank() == 0:
    torch.save([layer.state_dict(), [each.grad for each in layer.parameters()]], folder / "output.pt")
for name in sys.argv[2:]:
    train(Path(name), Path(name).with_suffix(".several"))
"""


def normalized_convolution() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))


@pytest.mark.usefixtures("stranger")
def test_three_processes_train_as_one(tmp_path: Path, recipe: Path, classes: Path, colored_images: Path) -> None:
    recipes = [recipe, classes, *(self_supervised(method, tmp_path, colored_images) for method in METHODS)]
    for each in (recipe, classes):  # Adam divides by gradients, and so turns the rounding of tiny ones into steps
        lines = [line for line in each.read_text().splitlines() if not line.startswith("optimizer:")]
        each.write_text("\n".join([*lines, "optimizer: {use: sgd, lr: 0.001}", ""]))
    layer, images = normalized_convolution(), torch.randn(7, 3, 8, 8)
    torch.save({"layer": layer.state_dict(), "images": images}, tmp_path / "input.pt")
    script = tmp_path / "both.py"
    script.write_text(BOTH)
    process = launch(str(script), str(tmp_path), *map(str, recipes), processes=3)
    for each in recipes:
        train(each, each.with_suffix(".one"))
    _, text = process.communicate(timeout=300)
    assert process.returncode == 0, text
    layer(images).square().sum().backward()
    state, gradients = torch.load(tmp_path / "output.pt")
    for name, value in layer.state_dict().items():
        torch.testing.assert_close(state[name], value)
    for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-4)
    for each in recipes:
        one, several = figures(each.with_suffix(".one")), figures(each.with_suffix(".several"))
        assert len(one) == len(several) > 1
        for row, other in zip(one, several, strict=True):
            for name, value in row.items():  # an image or a pixel between two classes may fall to the other one
                limit = (
                    10.0 ** (row["epoch"] - 6) if "loss" in name or name in ("epoch", "lr", "spread", "rank") else 0.02
                )
                assert other[name] == pytest.approx(value, rel=limit, abs=limit), f"{each.name}: {name}"
    figure = classes.with_suffix(".several") / "figures" / "confusion_matrix"
    assert figure.is_dir() or figure.with_suffix(".png").is_file()


@pytest.mark.usefixtures("stranger")
def test_a_signal_stops_both_and_one_process_goes_on(
    tmp_path: Path, classes: Path, hw1cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    out = tmp_path / "run"
    more = ("--set", "trainer.epochs=400", "--unset", "reports", "--out", str(out))
    command = [sys.executable, "hw1cli.py", "run", str(classes), "--devices", "2", *more]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        wait_until(lambda: (out / "checkpoints" / "last.pt").is_file(), process)
        process.send_signal(signal.SIGTERM)
        _, text = process.communicate(timeout=120)
    assert process.returncode == 75, text
    done = figures(out)
    assert 1 <= len(done) < 400
    end = ("--set", f"trainer.epochs={len(done) + 1}", "--unset", "reports", "--out", out, "--resume")
    resumed = hw1cli("run", classes, *end)
    assert resumed.returncode == 0, resumed.stderr
    assert figures(out)[: len(done)] == done


@pytest.mark.usefixtures("stranger")
def test_a_killed_process_ends_the_job_and_is_named(tmp_path: Path, classes: Path) -> None:
    out = tmp_path / "run"
    more = ("--set", "trainer.epochs=400", "--unset", "reports", "--out", str(out))
    command = [sys.executable, "hw1cli.py", "run", str(classes), "--devices", "2", *more]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        wait_until(lambda: (out / "checkpoints" / "last.pt").is_file(), process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ranks = {child: environment_of(child).get("RANK") for child in children}
        os.kill(next(int(child) for child, rank in ranks.items() if rank == "1"), signal.SIGKILL)
        _, text = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "process 1 was killed by SIGKILL" in text


@pytest.mark.usefixtures("stranger")
def test_processes_started_by_srun_train_as_one_job(
    tmp_path: Path, classes: Path, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:  # the port follows from the number of the job
        port = next(each for each in range(15_000 + os.getpid() % 5_000, 25_000) if probe.connect_ex(("", each)))
    job = {"NTASKS": 2, "NTASKS_PER_NODE": 2, "JOB_ID": port - 15_000, "JOB_NAME": "mine"}
    for name, value in {**job, "NODELIST": "localhost", "NODEID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    tasks = []
    for rank in "01":
        for name in ("PROCID", "LOCALID"):
            monkeypatch.setenv(f"SLURM_{name}", rank)
        options = ("--set", "trainer.epochs=1", "--unset", "reports", "--out", tmp_path / "run")
        tasks.append(start("run", classes, *options))
    assert [task.wait(240) for task in tasks] == [0, 0], [task.read() for task in tasks]
    assert "batch 8 (4 on each of 2 processes)" in (tmp_path / "run" / "log.txt").read_text()
    assert len(figures(tmp_path / "run")) == 1


def environment_of(process: str) -> dict[str, str]:
    parts = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return dict(part.split("=", 1) for part in parts if "=" in part)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("among", [1, 2, 4])
def test_processes_share_every_batch(among: int) -> None:
    whole = EpochOrder(21, 8, seed=3)
    parts = [EpochOrder(21, 8, seed=3, share=(rank, among), pads=True) for rank in range(among)]
    for number, batch in enumerate(whole):
        shares = [list(part)[number] for part in parts]
        assert [part.own(number) for part in parts] == [len(share) for share in shares]
        assert sorted(key for share in shares for key in share) == sorted(batch)
    short = [EpochOrder(9, 8, seed=3, share=(rank, 2), pads=True) for rank in range(2)]
    assert [part.own(1) for part in short] == [1, 0]
    assert list(short[0])[1] == list(short[1])[1]  # the second process takes part, and counts for nothing
