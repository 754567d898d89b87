"""Learning-rate schedules as functions of the step: no state, so nothing to save and nothing to resume wrongly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule(ABC):
    """A linear warm-up, then a curve.

    Args:
        total_steps: optimizer steps of the run.
        warmup: share of them over which the factor rises to 1.
    """

    total_steps: int
    warmup: float

    def __call__(self, step: int) -> float:
        """The factor of step 0 .. total_steps - 1."""
        rising = self.warmup * self.total_steps
        if step < rising:
            return (step + 1) / (rising + 1)
        return self.curve((step - rising) / max(self.total_steps - rising, 1))

    @abstractmethod
    def curve(self, progress: float) -> float:
        """The factor after the warm-up, progress in 0..1."""


@dataclass(frozen=True)
class Constant(Schedule):
    """1 all along."""

    def curve(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine down to ``floor``."""

    floor: float

    def curve(self, progress: float) -> float:
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Polynomial(Schedule):
    """(1 - progress) ** power."""

    power: float

    def curve(self, progress: float) -> float:
        return float(max(0.0, 1 - progress) ** self.power)


@dataclass(frozen=True)
class Steps(Schedule):
    """``factor`` to the number of borders passed, borders as shares of the whole run."""

    at: tuple[float, ...]
    factor: float

    def __call__(self, step: int) -> float:
        passed = sum(step >= share * self.total_steps for share in self.at)
        rising = self.warmup * self.total_steps
        return float(self.factor**passed * min(1.0, (step + 1) / (rising + 1)))

    def curve(self, progress: float) -> float:
        return 1.0
