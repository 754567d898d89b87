"""The loop with a task of ten lines: what it does with gradients, scores, signals and checkpoints."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from rich.console import Console as Terminal
from torch import Tensor, nn

from registry.engine.console import Console
from registry.engine.data.augmented import Augmented
from registry.engine.data.loader import EpochOrder, make_loader
from registry.engine.data.preprocess import Preprocessor
from registry.engine.records import checkpoints
from registry.engine.records.run_folder import RunFolder
from registry.engine.records.trackers import TrackedRun, Trackers
from registry.engine.runtime.device import Runtime, open_runtime
from registry.engine.train import loop
from registry.engine.train.ema import WeightAverage
from registry.engine.train.run import Learning, Run
from registry.engine.train.state import restore
from registry.engine.train.summary import start_caveat
from registry.engine.train.task import Batch, Task
from registry.errors import StoppedBySignal
from registry.recipe.grammar import LoopSettings, RuntimeSettings
from registry.recipe.interval import Interval
from registry.signals import StopRequest


class Line(Task):
    """Learns the factor 2 between a pixel and its label; its evaluation scores are given beforehand."""

    monitor, higher_is_better = "score", True

    def __init__(self, scores: list[float] | None = None) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.given = list(scores or [])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pixel = batch["image"].mean((1, 2, 3))[:, None]
        return {"loss": (self.model(pixel)[:, 0] - 2 * pixel[:, 0]).square().mean()}

    def scores(self) -> dict[str, float]:
        return {"score": self.given.pop(0)}


class Pixels:
    """Eight images of one pixel."""

    names = tuple("abcdefgh")

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": np.full((1, 1, 3), 30 * index + 20, np.uint8), "name": self.names[index]}


class FakeRecipe:
    name, path, title = "line", Path("line.yaml"), ""


@dataclasses.dataclass
class FakePlan:
    """What the loop reads of a plan."""

    loop: LoopSettings
    seed: int = 0
    reports: tuple[()] = ()
    recipe: Any = FakeRecipe


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return open_runtime(RuntimeSettings(device="cpu"), "fp32", "contiguous", "as the test says")


class Trained:
    """A run of the fake task, prepared but not started."""

    def __init__(self, folder: Path, runtime: Runtime, task: Task, lr: float = 0.1, **settings: Any) -> None:
        settings = {"epochs": 3, "batch_size": 2, **settings}
        defaults = {field.name: field.default for field in dataclasses.fields(LoopSettings)}
        plan: Any = FakePlan(LoopSettings(**{**defaults, **settings}))
        self.shown = io.StringIO()
        train, val = (Augmented(Pixels(), None, seed=None) for _ in range(2))
        preprocess = Preprocessor((0.0,) * 3, (1.0,) * 3, torch.device("cpu"))
        console = Console(Terminal(file=self.shown, width=200))
        loader = make_loader(val, EpochOrder(8, 4, seed=None), workers=0, pin_memory=False)
        loaders = {"val": loader}
        place, trackers = RunFolder(folder), Trackers(folder)
        self.run = Run(
            plan, place, {}, runtime, task, train, val, preprocess, console=console, trackers=trackers, loaders=loaders
        )
        self.run.folder.checkpoints.mkdir(parents=True)
        order = EpochOrder(8, plan.loop.batch_size, seed=1)
        train_loader = make_loader(train, order, workers=0, pin_memory=False)
        self.optimizer = torch.optim.SGD(task.parameters(), lr=lr)
        average = WeightAverage(task, plan.loop.ema) if plan.loop.ema is not None else None
        wrapped, optimizer = runtime.fabric.setup(task, self.optimizer)
        self.learning = Learning(wrapped, optimizer, lambda step: 1.0, train_loader, order, [], average)

    def fit(self) -> Trained:
        with StopRequest() as stop:
            loop.fit(self.run, self.learning, stop)
        return self

    @property
    def weight(self) -> float:
        return self.run.task.model.weight.item()

    @property
    def rows(self) -> list[dict[str, Any]]:
        lines = (self.run.folder.path / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON")) for line in lines]


def test_accumulated_batches_take_the_step_of_one_large_batch(tmp_path: Path, runtime: Runtime) -> None:
    small = Trained(tmp_path / "a", runtime, Line([0.0]), epochs=1, batch_size=2, accumulate=4).fit()
    large = Trained(tmp_path / "b", runtime, Line([0.0]), epochs=1, batch_size=8).fit()
    assert small.run.position.step == large.run.position.step == 1
    assert small.weight == pytest.approx(large.weight) and small.weight > 0


def test_clip_norm_limits_the_step(tmp_path: Path, runtime: Runtime) -> None:
    clipped = Trained(tmp_path, runtime, Line([0.0]), lr=1.0, epochs=1, batch_size=8, clip_norm=1e-3).fit()
    assert clipped.weight == pytest.approx(1e-3, rel=1e-3)


def test_the_schedule_scales_the_rate_of_every_step(tmp_path: Path, runtime: Runtime) -> None:
    trained = Trained(tmp_path, runtime, Line([0.0, 0.0]), epochs=2, batch_size=4)
    steps: list[int] = []

    def schedule(step: int) -> float:
        steps.append(step)
        return float(step == 3)

    trained.learning.schedule = schedule
    trained.fit()
    assert steps == [0, 1, 2, 3] and [row["lr"] for row in trained.rows] == [0.0, 0.1]


def test_the_best_checkpoint_is_that_of_the_best_score(tmp_path: Path, runtime: Runtime) -> None:
    trained = Trained(tmp_path, runtime, Line([0.1, 0.9, 0.5])).fit()
    best = checkpoints.load(trained.run.folder.best)
    assert checkpoints.epoch_of(best) == trained.run.position.best_epoch == 2 and best["precision"] == "fp32"
    assert float(best["task"]["model.weight"]) < trained.weight


def kept_epochs(trained: Trained) -> dict[str, int]:
    """The kept checkpoints and the epoch that each is of."""
    files = sorted(trained.run.folder.checkpoints.glob("epoch_*.pt"))
    return {path.name: checkpoints.epoch_of(checkpoints.load(path)) for path in files}


def test_the_best_epochs_and_every_so_many_are_kept(tmp_path: Path, runtime: Runtime) -> None:
    scores = [0.3, 0.9, math.nan, 0.5, 0.1, 0.7]
    best = Trained(tmp_path / "best", runtime, Line(list(scores)), epochs=6, keep_best=2).fit()
    assert kept_epochs(best) == {"epoch_0002.pt": 2, "epoch_0006.pt": 6}
    every = Trained(tmp_path / "every", runtime, Line(list(scores)), epochs=6, keep_best=1, keep_every=3).fit()
    assert kept_epochs(every) == {"epoch_0002.pt": 2, "epoch_0003.pt": 3, "epoch_0006.pt": 6}
    assert kept_epochs(Trained(tmp_path / "none", runtime, Line(list(scores)), epochs=6).fit()) == {}


@pytest.mark.parametrize(
    ("every", "positions"),
    [
        ("6 steps", [(2, 0), (2, 2), (3, 0), (3, 4), (4, 0), (5, 0), (5, 2), (6, 0)]),  # of four an epoch
        ("1 epoch", [(2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]),
        ("2 epochs", [(2, 0), (3, 0), (5, 0), (6, 0)]),  # the first has the best score, the fifth is the last
        ("1h", [(2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]),
        ("1s", [(2, 0), (2, 2), (3, 0), (4, 0), (5, 0), (6, 0)]),  # the sixth step takes longer
    ],
)
def test_save_every_counts_time_steps_or_epochs(
    tmp_path: Path, runtime: Runtime, every: str, positions: list[tuple[int, int]]
) -> None:
    class Slow(Line):
        def after_step(self, step: int, total_steps: int) -> None:
            time.sleep(1.2 if step == 6 and every == "1s" else 0)

    trained = Trained(tmp_path, runtime, Slow([0.9, 0.5, 0.4, 0.3, 0.2]), epochs=5, save_every=Interval(every))
    taken: list[tuple[int, int]] = []

    class Writer(checkpoints.CheckpointWriter):
        def save(self, path: Path, state: Any, **settings: Any) -> None:
            if path.name == "last.pt":
                taken.append((state["position"]["epoch"], state["position"]["batch"]))
            super().save(path, state, **settings)

    trained.run.checkpoints = Writer()
    trained.fit()
    assert taken == [(1, 4), *positions]  # the first one before the first best.pt


def test_a_score_of_nan_is_never_the_best_and_is_null_in_json(tmp_path: Path, runtime: Runtime) -> None:
    trained = Trained(tmp_path, runtime, Line([math.nan, 0.2, math.nan, 0.1]), epochs=4, patience=2).fit()
    position = trained.run.position
    assert (position.best_epoch, position.best_score, position.stale) == (2, 0.2, 1)
    assert [row["score"] for row in trained.rows] == [None, 0.2, None, 0.1]
    assert "epoch 1, step 4: score is nan" in trained.run.caveats[0]
    again = Trackers(tmp_path)
    again.start(TrackedRun("again", tmp_path, after=4), lambda text, error: pytest.fail(text))
    assert math.isnan(again.records[0].val["score"]) and again.records[1].val["score"] == 0.2


def test_patience_ends_the_run_and_more_patience_goes_on(tmp_path: Path, runtime: Runtime) -> None:
    trained = Trained(tmp_path, runtime, Line([0.9, 0.5, 0.4, 0.3, 0.2]), epochs=5, patience=2).fit()
    assert len(trained.rows) == 3 and "trainer.patience above 2" in trained.shown.getvalue()
    trained.fit()  # resumed unchanged: nothing is trained
    assert len(trained.rows) == 3
    cast(Any, trained.run.plan).loop = dataclasses.replace(trained.run.plan.loop, patience=4)
    trained.fit()
    assert len(trained.rows) == 5


def test_a_signal_stops_in_mid_epoch_and_the_rest_is_trained_later(tmp_path: Path, runtime: Runtime) -> None:
    class Stopping(Line):
        def after_step(self, step: int, total_steps: int) -> None:
            if step == 2 and not stopped:
                stopped.append(step)
                os.kill(os.getpid(), signal.SIGUSR1)

    stopped: list[int] = []
    trained = Trained(tmp_path / "parts", runtime, Stopping([0.0]), epochs=1)
    with pytest.raises(StoppedBySignal, match="SIGUSR1 in epoch 1, batch 2 of 4"):
        trained.fit()
    restore(trained.run, trained.learning, checkpoints.load(trained.run.folder.last))
    trained.fit()
    assert trained.weight == Trained(tmp_path / "whole", runtime, Line([0.0]), epochs=1).fit().weight


def test_the_average_is_evaluated_and_saved_as_best(tmp_path: Path, runtime: Runtime) -> None:
    trained = Trained(tmp_path, runtime, Line([0.5]), epochs=1, ema=0.9).fit()
    best = checkpoints.load(trained.run.folder.best)["task"]["model.weight"]
    last = checkpoints.load(trained.run.folder.last)
    assert float(last["task"]["model.weight"]) == trained.weight != float(best)
    assert torch.equal(checkpoints.evaluated_weights(last)["model.weight"], best)


@pytest.mark.parametrize(
    ("scores", "shown", "caveat"),
    [
        ([0.5, 0.3, 0.2, 0.1], "but not better than the start's 0.5000", "the training has not improved the network"),
        ([0.5, 0.6, 0.2, 0.1], "best so far", "its best was 0.6000 after epoch 1"),
        ([0.5, 0.3, 0.6, 0.7], "best so far", None),
    ],
)
def test_a_run_that_measures_its_start_is_compared_with_it(
    tmp_path: Path, runtime: Runtime, scores: list[float], shown: str, caveat: str | None
) -> None:
    task = Line(scores)
    task.measures_start = True
    trained = Trained(tmp_path, runtime, task).fit()
    assert shown in trained.shown.getvalue() and trained.rows[0]["start/score"] == 0.5
    text = start_caveat(trained.run)
    assert text is None if caveat is None else caveat in str(text)
