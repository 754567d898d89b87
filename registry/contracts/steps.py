"""The checks of optimizers and schedules."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from .subject import Subject
from .violations import ContractViolation


class _Regression:
    """A linear regression under the optimizer, whose weights and biases are in two groups as the loop passes them."""

    def __init__(self, subject: Subject) -> None:
        generator = torch.Generator().manual_seed(2)
        self.inputs = torch.randn(32, 4, generator=generator)
        self.target = self.inputs @ torch.randn(4, 2, generator=generator)
        self.network = nn.Linear(4, 2)
        nn.init.constant_(self.network.weight, 0.5)
        nn.init.zeros_(self.network.bias)
        self.subject = subject
        self.renew()

    def renew(self) -> None:
        """Build the optimizer again."""
        weights = {"params": [self.network.weight], "lr_scale": 1.0}
        biases = {"params": [self.network.bias], "lr_scale": 1.0, "weight_decay": 0.0}
        self.optimizer: torch.optim.Optimizer = self.subject.build(params=[weights, biases])

    def step(self) -> float:
        """Take a step; returns the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = (self.network(self.inputs) - self.target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())


def descends(subject: Subject) -> None:
    """The loss of a simple problem falls."""
    problem = _Regression(subject)
    losses = [problem.step() for _ in range(60)]
    if not (math.isfinite(losses[-1]) and losses[-1] < losses[0]):
        raise ContractViolation(
            "loss_does_not_fall",
            f"60 steps of {subject} take a linear regression from {losses[0]:.4g} to {losses[-1]:.4g}",
        )


def rate(subject: Subject) -> None:
    """The step is proportional to the groups' learning rate, through which schedules work."""
    problem = _Regression(subject)
    without = [number for number, group in enumerate(problem.optimizer.param_groups) if "lr" not in group]
    if without:
        raise ContractViolation("group_without_lr", f"parameter group {without[0]} of {subject} has no 'lr'")
    for group in problem.optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(problem.network.state_dict())
    problem.step()
    if any(not torch.equal(before[name], tensor) for name, tensor in problem.network.state_dict().items()):
        raise ContractViolation("ignores_lr", f"{subject} changes weights at a learning rate of 0")


def resumes(subject: Subject) -> None:
    """Stopped and resumed from its state, it takes the same steps."""
    straight, resumed = _Regression(subject), _Regression(subject)
    for step in range(6):
        if step == 3:
            stopped = copy.deepcopy(resumed.optimizer.state_dict())
            resumed.renew()
            resumed.optimizer.load_state_dict(stopped)
        straight.step()
        resumed.step()
    pairs = zip(straight.network.parameters(), resumed.network.parameters(), strict=True)
    if any(not torch.equal(a, b) for a, b in pairs):
        raise ContractViolation(
            "optimizer_state_incomplete", f"{subject} takes different steps after its state was saved and loaded"
        )


def factors(subject: Subject) -> None:
    """A factor for every step, finite and not negative, for runs of any length."""
    for steps in (1, 2, 20):
        schedule = subject.build(total_steps=steps, epochs=min(steps, 2), steps_per_epoch=-(-steps // 2))
        found = [schedule(step) for step in range(steps)]
        for step, factor in enumerate(found):
            if not isinstance(factor, (int, float)) or not math.isfinite(factor) or factor < 0:
                raise ContractViolation("factor_value", f"{subject} gives {factor!r} at step {step} of {steps}")
    if not any(found):
        raise ContractViolation("factor_zero", f"{subject} is 0 at every step")


def pure(subject: Subject) -> None:
    """The factor depends on the step alone."""
    schedule = subject.build()
    forward = [schedule(step) for step in range(20)]
    backward = [schedule(step) for step in reversed(range(20))]
    if forward != backward[::-1]:
        raise ContractViolation("factor_not_pure", f"{subject} remembers how often it was called")
