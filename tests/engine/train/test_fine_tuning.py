"""Fine-tuning: parameters frozen, released and slowed by patterns of their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runs import same, train, weights

from registry.engine.records import checkpoints
from registry.errors import InputError

PLAIN = ("trainer={use: classification, epochs: 3, batch_size: 8}", "schedule=constant", "augment={}")


def after_epochs(shapes: Path, out: Path, *sets: str) -> list[dict[str, torch.Tensor]]:
    """The weights after epoch 1, 2, ... of one run, which is resumed for each."""
    found = []
    for epoch in (1, 2, 3):
        train(shapes, out, *PLAIN, *sets, f"trainer.epochs={epoch}", resume=epoch > 1)
        found.append(weights(out))
    return found


def changed(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_frozen_part_learns_from_its_epoch_on_statistics_included(stranger: None, shapes: Path, tmp_path: Path) -> None:
    sets = ("trainer.freeze=[backbone]", 'trainer.unfreeze={"stages.2": 2, "stages.1.1": 3}')
    first, second, third = after_epochs(shapes, tmp_path / "run", *sets)
    assert changed(first, second) and {name.split(".")[1] for name in changed(first, second)} == {"backbone", "head"}
    moved = {name for name in changed(first, second) if "backbone" in name}
    assert all(".stages.2." in name for name in moved) and any("running_mean" in name for name in moved)
    later = {name for name in changed(second, third) if "backbone" in name and ".stages.2." not in name}
    assert later == {
        f"model.backbone.stages.1.1.{name}"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    whole = train(shapes, tmp_path / "whole", *PLAIN, *sets)
    assert whole["epochs"] == 3 and same(weights(tmp_path / "whole"), third)  # resumed or not


def test_everything_but_the_last_stage_and_head_stays_at_its_start(
    stranger: None, shapes: Path, tmp_path: Path
) -> None:
    sets = ('trainer.freeze=["*"]', 'trainer.unfreeze={"stages.2": 1, head: 1}')
    train(shapes, tmp_path / "a", *PLAIN, *sets, "trainer.epochs=1")
    train(shapes, tmp_path / "b", *PLAIN, *sets, "trainer.epochs=3")
    moved = changed(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert moved and all(".stages.2." in name or ".head." in name for name in moved)
    optimizer = checkpoints.load(tmp_path / "b" / "checkpoints" / "last.pt")["optimizer"]
    assert sum(len(group["params"]) for group in optimizer["param_groups"]) == 5  # conv, norm (2), linear (2)


def test_factor_of_the_rate_moves_weights_that_much_less(stranger: None, shapes: Path, tmp_path: Path) -> None:
    sgd = (
        *PLAIN,
        "optimizer={use: sgd, lr: 0.01, momentum: 0, weight_decay: 0}",
        "trainer.epochs=1",
        "trainer.batch_size=24",
    )
    train(shapes, tmp_path / "start", *sgd, "optimizer.lr=1e-12")
    train(shapes, tmp_path / "plain", *sgd)
    train(shapes, tmp_path / "slow", *sgd, 'trainer.lr_factors={"*": 2, backbone: 0.5, "stages.0": 0.25}')
    start, plain, slow = (weights(tmp_path / name) for name in ("start", "plain", "slow"))
    for part, factor in (("head", 2), ("backbone.stem", 0.5), ("backbone.stages.0", 0.25)):
        name = next(n for n in start if f".{part}." in n and n.endswith("weight"))
        assert torch.allclose(slow[name] - start[name], factor * (plain[name] - start[name]), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("setting", "path", "hint"),
    [
        ("trainer.freeze=[backbon]", "trainer.freeze", "'backbone'"),
        ('trainer.lr_factors={"stage.1": 0.1}', "trainer.lr_factors", "'stages.1'"),
        ("trainer.unfreeze={qqq: 2}", "trainer.unfreeze", "model.backbone, model.head"),
        ('trainer.freeze=["*"]', "trainer.freeze", "unfreeze"),
    ],
)
def test_pattern_that_matches_nothing_is_a_problem_with_the_nearest_module(
    stranger: None, shapes: Path, tmp_path: Path, setting: str, path: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        train(shapes, tmp_path / "run", *PLAIN, setting)
    (problem,) = caught.value.problems
    assert problem.path == path and hint in str(problem.hint)
    assert not (tmp_path / "run").exists()
