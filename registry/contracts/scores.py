"""The checks of losses and metrics, with logits and targets of images and of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..engine.evaluate.metrics import Scores
from .subject import CLASSES, IGNORED, Subject
from .violations import ContractViolation, Inconclusive

#: (logits, target)
Pair = tuple[Tensor, Tensor]


def _built(subject: Subject) -> tuple[Callable[..., Any], list[Pair]]:
    """A loss, or a function from pairs to a metric's scores; and the pairs that it takes, of images or of pixels."""
    built = subject.build()

    def scores_of(*pairs: Pair) -> dict[str, float]:
        scores = Scores([built])
        scores.reset()
        for pair in pairs:
            scores.update(*pair)
        return scores.compute()

    is_metric = subject.component.kind == "metrics"
    generator = torch.Generator().manual_seed(5)
    taken, errors = [], []
    for what, size in (("pixels", (8, 8)), ("images", ())):
        target = torch.randint(0, CLASSES, (6, *size), generator=generator)
        pair = torch.randn(6, CLASSES, *size, generator=generator), target
        try:
            scores_of(pair) if is_metric else built(*pair)
            taken.append(pair)
        except Exception as error:
            errors.append(f"{what}: {type(error).__name__}: {error}")
    if not taken:
        raise ContractViolation(
            "target_refused", f"{subject} takes neither labels of pixels nor of images; {'; '.join(errors)}"
        )
    return scores_of if is_metric else built, taken


def _confident(target: Tensor, shift: int = 0, scale: float = 6.0) -> Tensor:
    """Logits that name the target, or with a shift another class."""
    one_hot = F.one_hot((target + shift) % CLASSES, CLASSES).float()
    return scale * one_hot.movedim(-1, 1)


def value(subject: Subject) -> None:
    """A loss is a finite scalar."""
    loss, pairs = _built(subject)
    for pair in pairs:
        found = loss(*pair)
        shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if shown != ():
            raise ContractViolation("loss_not_scalar", f"{subject} gives {shown} instead of a scalar")
        if not torch.isfinite(found):
            raise ContractViolation("loss_not_finite", f"{subject} gives {float(found)} for ordinary logits")


def gradient(subject: Subject) -> None:
    """A loss has a finite gradient that is not zero, for certain and wrong logits too."""
    loss, pairs = _built(subject)
    for logits, target in pairs:
        for given, name in ((logits, "ordinary"), (_confident(target, 1, 60.0), "certain and wrong")):
            given = given.clone().requires_grad_(True)
            found = loss(given, target)
            if found.requires_grad:
                found.backward()
            slope = given.grad if given.grad is not None else torch.zeros(())
            if not torch.isfinite(slope).all():
                raise ContractViolation(
                    "loss_gradient_not_finite", f"the gradient of {subject} is not finite where the logits are {name}"
                )
            if not found.requires_grad or (name == "ordinary" and not slope.any()):
                what = f"the gradient of {subject} is zero" if found.requires_grad else f"{subject} has no gradient"
                raise ContractViolation("loss_without_gradient", what)


def order(subject: Subject) -> None:
    """Right logits make a lower loss, and a better headline, than wrong ones."""
    function, pairs = _built(subject)
    rule, name, higher = "loss_order", str(subject), False
    if subject.component.kind == "metrics":
        scores = Scores([subject.build()])
        rule, name, higher = "score_order", f"{scores.monitor} of {subject}", scores.higher_is_better
    for _, target in pairs:
        both = [(_confident(target, shift), target) for shift in (0, 1)]
        if subject.component.kind == "metrics":
            right, wrong = (function(pair)[scores.monitor] for pair in both)
        else:
            right, wrong = (float(function(*pair)) for pair in both)
        if not (right > wrong if higher else right < wrong):
            what = f"{name} is {right:.4g} where every guess is right and {wrong:.4g} where every guess is wrong"
            raise ContractViolation(rule, what)


def ignored(subject: Subject) -> None:
    """Logits at ignored labels do not change a loss."""
    if not subject.takes("ignore_index"):
        raise Inconclusive(f"{subject} does not take ignore_index: it fits data without ignored labels")
    loss, pairs = _built(subject)
    for logits, target in pairs:
        target, other = target.clone(), logits.clone()
        target[:2] = IGNORED
        other[:2] = -3 * other[:2]
        if not torch.allclose(loss(logits, target), loss(other, target), atol=1e-5):
            raise ContractViolation("ignored_labels_count", f"{subject} changes with the logits at ignored labels")
        everything = loss(logits, torch.full_like(target, IGNORED))
        if not torch.isfinite(everything):
            raise ContractViolation(
                "all_labels_ignored", f"{subject} is {float(everything)} where every label is ignored"
            )


def figures(subject: Subject) -> None:
    """``compute`` gives a number, or numbers by name, the headline among them."""
    scores_of, pairs = _built(subject)
    headline = Scores([subject.build()]).monitor
    for pair in pairs:
        found = scores_of(pair)
        wrong = [name for name, figure in found.items() if not math.isfinite(figure)]
        if wrong:
            raise ContractViolation("score_not_finite", f"{subject} gives {wrong[0]} = {found[wrong[0]]!r}")
        if headline not in found:
            raise ContractViolation(
                "headline_missing",
                f"the headline {headline!r} of {subject} is not among its scores: {', '.join(found)}",
            )


def reset(subject: Subject) -> None:
    """After ``reset`` nothing is left of the batches before."""
    scores_of, pairs = _built(subject)
    for logits, target in pairs:
        fresh = scores_of((logits, target))
        scores_of((_confident(target, 1), target))
        if _differing(fresh, scores_of((logits, target))):
            raise ContractViolation("reset_incomplete", f"{subject} remembers earlier batches after reset()")


def pooled(subject: Subject) -> None:
    """Scores do not depend on how the images are divided into batches."""
    scores_of, pairs = _built(subject)
    for logits, target in pairs:
        whole = scores_of((logits, target))
        parts = scores_of((logits[:1], target[:1]), (logits[1:], target[1:]))
        if differing := _differing(whole, parts):
            name = differing[0]
            raise ContractViolation(
                "not_pooled",
                f"{name} of {subject} is {whole.get(name, math.nan):.4f} of six images at once, and "
                f"{parts.get(name, math.nan):.4f} of one and five",
            )


def _differing(one: dict[str, float], other: dict[str, float]) -> list[str]:
    names = dict.fromkeys((*one, *other))
    return [n for n in names if not math.isclose(one.get(n, math.nan), other.get(n, math.nan), abs_tol=1e-5)]
