"""What optimizers and schedules are asked."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from .subject import Subject
from .violations import ContractViolation


def _problem() -> tuple[nn.Linear, Tensor, Tensor]:
    """A network of one layer, and data that it can fit."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(32, 4, generator=generator)
    network = nn.Linear(4, 2)
    nn.init.constant_(network.weight, 0.5)
    nn.init.zeros_(network.bias)
    return network, inputs, inputs @ torch.randn(4, 2, generator=generator)


def _groups(network: nn.Module) -> list[dict[str, object]]:
    """As the loop hands them over: weights, and biases without decay, with the factor that it applies itself."""
    parameters = dict(network.named_parameters())
    return [
        {"params": [parameters["weight"]], "lr_scale": 1.0},
        {"params": [parameters["bias"]], "lr_scale": 1.0, "weight_decay": 0.0},
    ]


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, target: Tensor) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss = (network(inputs) - target).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def descends(subject: Subject) -> None:
    """The loss of a simple problem falls."""
    network, inputs, target = _problem()
    optimizer = subject.build(params=_groups(network))
    losses = [_step(network, optimizer, inputs, target) for _ in range(60)]
    if not (math.isfinite(losses[-1]) and losses[-1] < losses[0]):
        raise ContractViolation(
            f"60 steps of {subject} take a linear regression from {losses[0]:.4g} to {losses[-1]:.4g}",
            "with its default learning rate it should learn something that simple",
            "check the sign of the step, and a default lr that is neither too large nor zero",
        )


def rate(subject: Subject) -> None:
    """The learning rate of the groups is obeyed: schedules, and the depth's factors, work through it."""
    network, inputs, target = _problem()
    optimizer = subject.build(params=_groups(network))
    lacking = [number for number, group in enumerate(optimizer.param_groups) if "lr" not in group]
    if lacking:
        raise ContractViolation(
            f"parameter group {lacking[0]} of {subject} has no 'lr'",
            "schedules set it before every step",
            "hand {'lr': lr, ...} to torch.optim.Optimizer.__init__ as the defaults",
        )
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(network.state_dict())
    _step(network, optimizer, inputs, target)
    if any(not torch.equal(before[name], tensor) for name, tensor in network.state_dict().items()):
        raise ContractViolation(
            f"{subject} changes weights at a learning rate of 0",
            "the schedule would have no effect, or not all of it",
            "read group['lr'] in step(), and scale the whole step by it, weight decay included",
        )


def resumes(subject: Subject) -> None:
    """Stopped and resumed from its state, it takes the same steps."""
    straight, inputs, target = _problem()
    optimizer = subject.build(params=_groups(straight))
    for _ in range(6):
        _step(straight, optimizer, inputs, target)
    resumed = _problem()[0]
    optimizer = subject.build(params=_groups(resumed))
    for step in range(6):
        if step == 3:
            stopped = copy.deepcopy(optimizer.state_dict())
            optimizer = subject.build(params=_groups(resumed))
            optimizer.load_state_dict(stopped)
        _step(resumed, optimizer, inputs, target)
    if any(not torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True)):
        raise ContractViolation(
            f"{subject} goes another way after its state was saved and loaded",
            "a run that is resumed would not be the run that was stopped",
            "keep everything in self.state[parameter] and the groups, nothing in attributes of the optimizer",
        )


def factors(subject: Subject) -> None:
    """A factor for every step, finite and not negative, for runs of any length."""
    for steps in (1, 2, 20):
        schedule = subject.build(total_steps=steps, epochs=min(steps, 2), steps_per_epoch=-(-steps // 2))
        for step in range(steps):
            found = schedule(step)
            if not isinstance(found, (int, float)) or not math.isfinite(found) or found < 0:
                raise ContractViolation(
                    f"{subject} gives {found!r} at step {step} of {steps}",
                    "the learning rate is multiplied by it before every step",
                    "a float from 0 up for steps 0 .. total_steps - 1, for a run of one step too",
                )
    if not any(schedule(step) > 0 for step in range(20)):
        raise ContractViolation(f"{subject} is 0 all along", "nothing would be learned", "1 is the full learning rate")


def pure(subject: Subject) -> None:
    """The factor depends on the step alone."""
    schedule = subject.build()
    forward = [schedule(step) for step in range(20)]
    backward = [schedule(step) for step in reversed(range(20))][::-1]
    if forward != backward:
        raise ContractViolation(
            f"{subject} remembers how often it was called",
            "a run that is resumed starts in the middle",
            "a function of the step: no counters",
        )
