"""Losses, scores and schedules against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from plugins.hw1.focal import Focal
from plugins.torch_basics.cross_entropy import CrossEntropy
from plugins.torch_basics.schedules import Constant, Cosine, Polynomial, Steps
from registry.recipe.planner import epochs_at

LOGITS = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(1))


def test_focal_is_its_formula_and_with_gamma_zero_cross_entropy() -> None:
    share = F.softmax(LOGITS, 1).gather(1, TARGET[:, None])[:, 0]
    formula = (-0.25 * (1 - share) ** 2 * share.log())[TARGET != 3].mean()
    assert torch.allclose(Focal(0.25, 2.0, 3)(LOGITS, TARGET), formula, atol=1e-6)
    assert torch.allclose(Focal(1.0, 0.0, None)(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET), atol=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 1.5]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_where_that_is_finite(weights: list[float] | None, smoothing: float) -> None:
    table = torch.tensor(weights) if weights else None
    expected = F.cross_entropy(LOGITS, TARGET, table, ignore_index=3, label_smoothing=smoothing)
    assert torch.allclose(CrossEntropy(3, smoothing, weights)(LOGITS, TARGET), expected, atol=1e-6)


@pytest.mark.parametrize("loss", [Focal(0.25, 2.0, 3), CrossEntropy(3, 0.0, None), CrossEntropy(3, 0.1, [1.0] * 4)])
def test_where_all_is_ignored_nothing_is_learned(loss: torch.nn.Module) -> None:
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, torch.full_like(TARGET, 3))
    value.backward()
    assert value.item() == 0 and logits.grad is not None and logits.grad.abs().sum() == 0


def test_schedules() -> None:
    assert [Constant(10, 0.0)(step) for step in (0, 9)] == [1.0, 1.0]
    cosine = Cosine(100, 0.1, 0.2)
    assert 0 < cosine(0) < cosine(9) < cosine(10) == 1.0
    assert cosine(55) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 2)) / 2)
    assert 0.2 <= cosine(99) < 0.201
    assert Polynomial(100, 0.0, 0.9)(50) == pytest.approx(0.5**0.9)
    assert [Steps(100, 0.0, (0.5, 0.75), 0.1)(step) for step in (49, 50, 75)] == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("moments", "epochs", "expected"),
    [
        (["first", "middle", "last"], 100, [1, 50, 100]),
        (["first", "middle", "last"], 1, [1]),
        ([1, 50, 100], 30, [1, 30]),
        (["50%", "every 4"], 10, [4, 5, 8, 10]),
    ],
)
def test_moments(moments: list, epochs: int, expected: list[int]) -> None:
    assert epochs_at(moments, epochs) == expected


@pytest.mark.parametrize("moment", ["soon", 0, -1, "every 0", "120%", True])
def test_what_is_not_an_epoch_is_refused(moment: object) -> None:
    with pytest.raises(ValueError, match="is not an epoch"):
        epochs_at([moment], 10)  # type: ignore[list-item]
