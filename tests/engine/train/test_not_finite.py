"""NaN in loss, gradients and scores: what the message names, what a skipped step leaves as it was, what is kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import Line, Trained, runtime  # noqa: F401 - a fixture
from torch import Tensor, nn

from registry.engine.records import checkpoints
from registry.engine.runtime.device import Runtime
from registry.engine.train.state import restore
from registry.engine.train.step.not_finite import Diverged
from registry.engine.train.step.stepper import Stepper
from registry.engine.train.summary import later_caveats
from registry.engine.train.task import Batch

#: The image of which everything below goes wrong: pixels of 20, 50, ... 230; "c" has 80.
BAD = 80 / 255


class Failing(Line):  # type: ignore[misc]
    """Learns as ``Line`` does, with a batch normalisation; the loss or the gradient of one image is NaN."""

    def __init__(self, what: str, scores: int = 3) -> None:
        super().__init__([0.5] * scores)
        self.what, self.norm = what, nn.BatchNorm2d(3)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        images = batch["image"]
        bad = bool((images - BAD).abs().min() < 1e-4)
        if bad and self.what == "input":
            images = images * math.nan
        shifted = self.norm(images).mean()
        loss = super().forward({"image": images})["loss"] + 0.01 * shifted
        if bad and self.what == "loss":
            loss = loss + math.inf
        if bad and self.what == "gradient":
            loss = loss + (self.model.weight * 0).abs().sqrt().sum()
        return {"loss": loss}


def the_bad_step(trained: Trained, epoch: int = 1) -> tuple[int, list[str]]:
    """The 1-based step of the epoch whose batch holds image c, and its names."""
    order = trained.learning.train_order.order(epoch)
    place = order.index(2) // 2
    return place + 1, ["abcdefgh"[index] for index in order[2 * place : 2 * place + 2]]


@pytest.mark.parametrize(
    ("what", "shown"),
    [("input", "the loss is"), ("loss", "the loss is"), ("gradient", "the gradients of model.weight")],
)
def test_the_message_names_epoch_step_and_files(tmp_path: Path, runtime: Runtime, what: str, shown: str) -> None:  # noqa: F811
    trained = Trained(tmp_path, runtime, Failing(what))
    step, names = the_bad_step(trained)
    before = trained.run.task.state_dict()["model.weight"].clone()
    with pytest.raises(Diverged) as caught:
        trained.fit()
    text = str(caught.value)
    assert shown in text and f"epoch 1, step {step}, for the batch of {', '.join(names)}" in text
    assert "trainer.on_nan: skip" in str(caught.value.hint)
    kept = torch.load(tmp_path / "failed_steps" / f"step_{step}.pt", weights_only=True)
    assert kept["batches"][0]["name"] == names and kept["batches"][0]["image"].dtype == torch.uint8
    assert math.isfinite(float(kept["task"]["model.weight"])) and before.shape == kept["task"]["model.weight"].shape


@pytest.mark.parametrize("what", ["input", "loss", "gradient"])
def test_a_skipped_step_spoils_nothing(tmp_path: Path, runtime: Runtime, what: str) -> None:  # noqa: F811
    trained = Trained(tmp_path, runtime, Failing(what), on_nan="skip", ema=0.9, epochs=3).fit()
    state = trained.run.task.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert state["norm.num_batches_tracked"] == 9  # four steps in each of three epochs, one of them skipped
    position = trained.run.position
    assert (position.step, position.skipped_steps) == (12, 3)
    assert trained.learning.average is not None
    assert all(bool(torch.isfinite(value).all()) for value in trained.learning.average.state_dict().values())
    assert all(math.isfinite(row["train_loss"]) for row in trained.rows)
    assert trained.rows[-1]["skipped_steps"] == 3
    assert trained.shown.getvalue().count("the step is skipped") == 3
    assert "3 steps were skipped, since loss or gradients were NaN or infinite" in later_caveats(trained.run)
    assert len(list((tmp_path / "failed_steps").glob("*.pt"))) == 3


def test_a_skipped_step_is_as_if_its_batch_were_not_there(tmp_path: Path, runtime: Runtime) -> None:  # noqa: F811
    skipped = Trained(tmp_path / "a", runtime, Failing("loss"), on_nan="skip", epochs=1).fit()
    plain = Trained(tmp_path / "b", runtime, Failing("nothing"), epochs=1)
    order: Any = plain.learning.train_order
    left, (_, out) = order.order(1), the_bad_step(plain)
    order.order = lambda _epoch: [index for index in left if "abcdefgh"[index] not in out]
    order.length = 6
    plain.fit()
    mine, other = skipped.run.task.state_dict(), plain.run.task.state_dict()
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_too_many_skipped_steps_end_the_run(tmp_path: Path, runtime: Runtime) -> None:  # noqa: F811
    class Always(Line):  # type: ignore[misc]
        def forward(self, batch: Batch) -> dict[str, Tensor]:
            return {"loss": super().forward(batch)["loss"] * math.nan}

    with pytest.raises(Diverged, match="5 steps in a row had to be skipped"):
        Trained(tmp_path / "a", runtime, Always([0.5] * 3), on_nan="skip").fit()
    few = Trained(tmp_path / "b", runtime, Failing("loss", 9), on_nan="skip", max_skipped_steps=2, epochs=9)
    with pytest.raises(Diverged, match=r"more than trainer\.max_skipped_steps"):
        few.fit()


def test_a_run_that_skipped_steps_resumes_bit_exact(tmp_path: Path, runtime: Runtime) -> None:  # noqa: F811
    whole = Trained(tmp_path / "whole", runtime, Failing("gradient"), on_nan="skip", epochs=3).fit()
    first = Trained(tmp_path / "parts", runtime, Failing("gradient"), on_nan="skip", epochs=2).fit()
    second = Trained(tmp_path / "rest", runtime, Failing("gradient"), on_nan="skip", epochs=3)
    restore(second.run, second.learning, checkpoints.load(first.run.folder.last))
    second.fit()
    assert second.weight == whole.weight and second.run.position.skipped_steps == 3


def test_where_reading_would_wait_the_failed_step_is_found_at_log_points(tmp_path: Path, runtime: Runtime) -> None:  # noqa: F811
    """As on a GPU: the flag is read later, and the batch of that step is read once more."""
    trained = Trained(tmp_path, runtime, Failing("loss"))
    step, names = the_bad_step(trained)
    stepper = Stepper(trained.run, trained.learning)
    stepper.reads = False
    trained.learning.train_order.start(1)
    for batch in trained.learning.train_loader:
        assert stepper.step([batch]) is not None
        trained.run.position.step += 1
        trained.run.position.batch += 1
    with pytest.raises(Diverged, match=f"epoch 1, step {step}, for the batch of {', '.join(names)}"):
        stepper.check()
    assert torch.load(tmp_path / "failed_steps" / f"step_{step}.pt", weights_only=True)["batches"][0]["name"] == names


def test_a_score_of_nan_names_the_first_batch_of_outputs_that_are_not_finite(
    tmp_path: Path,
    runtime: Runtime,  # noqa: F811
) -> None:
    class Seen(Failing):
        def evaluate(self, batch: Batch) -> None:
            pixel = batch["image"].mean((1, 2, 3))[:, None]
            self.model(torch.where((pixel - BAD).abs() < 1e-4, torch.nan, pixel))

    trained = Trained(tmp_path, runtime, Seen("nothing"), epochs=1)
    trained.run.task.given = [math.nan]  # type: ignore[union-attr]
    trained.fit()
    assert any("step 4: score is nan" in each and "for a, b, c, d" in each for each in trained.run.caveats)
