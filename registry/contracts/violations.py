"""A check, its two outcomes besides passing, and the checks of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from unittest import SkipTest

import yaml


class ContractViolation(AssertionError):
    """A component breaks a contract.

    Args:
        rule: its key in ``rules.yaml``, with why it matters and what to write instead.
        what: what is wrong.
        words: the text of the rule's {words}.
    """

    def __init__(self, rule: str, what: str, **words: object) -> None:
        self.rule, self.what = rule, what
        self.why, self.instead = (rules()[rule][key].format(**words) for key in ("why", "instead"))
        super().__init__(f"{what}\n  why it matters: {self.why}\n  instead: {self.instead}")


@lru_cache(maxsize=1)
def rules() -> dict[str, dict[str, str]]:
    """What a plugin must keep: rule -> ``why`` and ``instead``."""
    text = Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


class Inconclusive(SkipTest):
    """The check does not apply or cannot decide; pytest shows it as skipped, with the reason."""


@dataclass(frozen=True)
class Check:
    """One check of one subject.

    Args:
        subject: what is checked: the distribution, a module, or ``kind/name``.
        name: of the check.
        run: carries it out.
    """

    subject: str
    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Carry it out.

        Raises:
            ContractViolation: a contract is broken.
            Inconclusive: the check does not apply or cannot decide.
        """
        self.run()

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"


class Contract(NamedTuple):
    """What the checks of a kind need.

    Args:
        module: of this package, which has the checks; those of every kind are in ``subject``.
        type: ``module:class`` of the kind's components.
        attributes: what the framework reads of them.
        checks: the functions that try a component, after ``builds``.
    """

    module: str
    type: str
    attributes: tuple[str, ...]
    checks: tuple[str, ...]


_NETWORK: Final = ("learns", "one_by_one", "state", "seed", "pickles")
_OBJECT: Final = "builtins:object"

CONTRACTS: Final[Mapping[str, Contract]] = {
    "backbones": Contract("networks", "torch.nn:Module", ("channels", "strides"), ("maps", "in_channels", *_NETWORK)),
    "models": Contract("networks", "torch.nn:Module", (), ("logits", "num_classes", "features", *_NETWORK)),
    "losses": Contract("scores", "torch.nn:Module", (), ("value", "gradient", "order", "ignored")),
    "augmentations": Contract(
        "data", "albumentations.core.serialization:Serializable", (), ("images", "seed", "pickles")
    ),
    "trainers": Contract("runs", "registry.engine.train.task:Task", (), ("trains",)),
    "datasets": Contract("data", _OBJECT, ("facts", "split"), ("facts", "splits", "samples", "pickles")),
    "generators": Contract("data", _OBJECT, ("make",), ("makes",)),
    "optimizers": Contract("steps", "torch.optim:Optimizer", (), ("descends", "rate", "resumes")),
    "schedules": Contract("steps", _OBJECT, ("__call__",), ("factors", "pure", "pickles")),
    "metrics": Contract("scores", "torchmetrics:Metric", (), ("figures", "order", "reset", "pooled")),
    "reports": Contract("runs", _OBJECT, ("at", "__call__"), ("epochs", "draws")),
    "trackers": Contract("runs", "registry.engine.records.trackers:Tracker", (), ("records",)),
}
