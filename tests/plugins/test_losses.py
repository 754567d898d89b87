"""Every loss keeps its contract: ignored pixels, batches without a pixel to learn, labels that are no class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional as F

from plugins.hw1.specs import focal
from plugins.smp_zoo.specs import losses as smp
from plugins.torch_basics.specs import cross_entropy, weighted_sum
from registry import InputError

IGNORED = 2


def over_smp(name: str) -> Callable[..., nn.Module]:
    return lambda **given: smp.spec(name)(num_classes=2 if name == "mcc" else 4, **given)


LOSSES: dict[str, Callable[..., nn.Module]] = {
    "cross_entropy": cross_entropy,
    "smooth": lambda **given: cross_entropy(label_smoothing=0.1, weights=[1.0, 2.0, 3.0, 0.0], **given),
    "balanced": lambda **given: cross_entropy(weights="balanced", class_counts=[5, 0, 7, 9], **given),
    "focal": focal,
    "focal, gamma 0.5": lambda **given: focal(gamma=0.5, **given),
    "sum": lambda **given: weighted_sum(losses=[focal(**given), over_smp("dice")(**given)], weights=[1.0, 0.5]),
    **{f"smp/{name}": over_smp(name) for name in sorted(smp.names())},
}


def example(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, one pixel of them beyond doubt, and labels of which none is ``IGNORED``."""
    generator = torch.Generator().manual_seed(0)
    classes = 2 if "mcc" in name else 4
    logits = torch.randn(2, classes, 6, 5, generator=generator)
    target = torch.tensor([0, 1, 0, 1, 3])[torch.randint(0, 4 if classes == 2 else 5, (2, 6, 5), generator=generator)]
    logits[0, target[0, 0, 0], 0, 0] = 300.0
    return logits, target


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_teach_nothing(name: str) -> None:
    loss = LOSSES[name](ignore_index=IGNORED)
    logits, target = example(name)
    target[:, 3:] = IGNORED
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert value.shape == () and value.isfinite() and value > 0 and logits.grad is not None
    assert logits.grad.isfinite().all() and logits.grad[..., :3, :].any() and not logits.grad[..., 3:, :].any()
    with torch.no_grad():
        wild = logits.clone()
        wild[..., 3:, :] = 1e4 * torch.randn_like(wild[..., 3:, :])
        assert torch.allclose(loss(wild, target), value)


@pytest.mark.parametrize("name", LOSSES)
def test_where_all_is_ignored_the_loss_is_a_zero_that_can_be_learned_from(name: str) -> None:
    logits, target = example(name)
    logits.requires_grad_()
    value = LOSSES[name](ignore_index=IGNORED)(logits, torch.full_like(target, IGNORED))
    value.backward()
    assert value.item() == 0 and logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("label", [-1, 4, 255])
def test_a_label_that_is_no_class_is_an_error(name: str, label: int) -> None:
    logits, target = example(name)
    target[1, 2, 3] = label
    with pytest.raises((InputError, IndexError), match=f"label {label}|{label} is out of bounds"):
        LOSSES[name](ignore_index=IGNORED)(logits, target)


@pytest.mark.parametrize("name", LOSSES)
def test_reduced_precision_changes_little(name: str) -> None:
    logits, target = example(name)
    loss = LOSSES[name](ignore_index=None)
    assert torch.allclose(loss(logits.bfloat16().float(), target), loss(logits, target), rtol=0.05)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [3] * 30)
    counts = torch.bincount(labels, minlength=4).tolist()
    loss: Any = cross_entropy(weights="balanced", class_counts=lambda: counts)  # counted only when asked for
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels.numpy())
    assert loss.weights.tolist() == pytest.approx([expected[0], expected[1], 0, expected[2]])
    # with them a constant guess costs the same whatever the shares
    assert loss(torch.zeros(39, 4), labels) == pytest.approx(float(torch.tensor(4.0).log()))
    shares = [float((loss.weights[label] * (labels == label)).sum()) for label in (0, 1, 3)]
    assert shares == pytest.approx([13.0] * 3)


def test_balanced_weights_leave_the_ignored_class_out() -> None:
    loss: Any = cross_entropy(weights="balanced", class_counts=[10, 30, 500], ignore_index=2, num_classes=3)
    assert loss.weights.tolist() == pytest.approx([2.0, 40 / 60, 0.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_counts": None}, "weights: cannot be balanced: the data do not tell"),
        ({"class_counts": [0, 9], "ignore_index": 1}, "holds no class to be learned"),
    ],
)
def test_what_cannot_be_balanced(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_entropy(weights="balanced", **given)


def test_a_weighted_sum_is_one() -> None:
    logits, target = example("sum")
    both = weighted_sum(losses=[nn.CrossEntropyLoss(), focal(alpha=1.0)], weights=[2.0, 0.5])
    expected = 2 * F.cross_entropy(logits, target) + 0.5 * focal(alpha=1.0)(logits, target)
    assert torch.allclose(both(logits, target), expected)
    plain = weighted_sum(losses=[nn.CrossEntropyLoss()] * 3)
    assert torch.allclose(plain(logits, target), 3 * F.cross_entropy(logits, target))
    with pytest.raises(InputError, match="weights: has 1 factors for 2 losses"):
        weighted_sum(losses=[focal(), focal()], weights=[1.0])
    with pytest.raises(InputError, match="losses: is empty"):
        weighted_sum(losses=[])
