"""A component under test: built on the CPU, and handed to the checks of its kind."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any, Final

import torch
from torch import nn

from ..catalog.components import Component
from ..catalog.kinds import KINDS, NETWORKS, WITHOUT_START
from ..catalog.registry import Registry
from ..catalog.spec import Parameter, bare
from ..engine.build import build
from ..engine.train.task import seed_everything
from ..errors import InputError, PluginError, raised_at
from ..recipe.plan import ComponentPlan
from ..recipe.planner import plan_value
from ..recipe.types import type_of, uses
from ..recipe.yaml import as_node
from . import stubs
from .pickling import survives_spawn
from .violations import ContractViolation, Inconclusive

#: The number of classes, and the ignored label, of every trial.
CLASSES: Final = 3
IGNORED: Final = 255

#: Kind -> the module that holds its checks.
_HOMES: Final = {
    **dict.fromkeys(("backbones", "models"), "networks"),
    **dict.fromkeys(("losses", "metrics"), "scores"),
    **dict.fromkeys(("optimizers", "schedules"), "steps"),
    **dict.fromkeys(("augmentations", "datasets", "generators"), "data"),
    **dict.fromkeys(("trainers", "reports"), "runs"),
}


def facts() -> dict[str, Any]:
    """What the run supplies to a component under test."""
    return {
        "num_classes": CLASSES,
        "class_names": ["a", "b", "c"],
        "class_colors": [(220, 20, 60), (0, 128, 0), (30, 60, 200)],
        "ignore_index": IGNORED,
        "class_counts": lambda: [50, 30, 20],
        "in_channels": 3,
        "params": [{"params": [nn.Parameter(torch.ones(2))]}],
        "epochs": 2,
        "total_steps": 20,
        "steps_per_epoch": 10,
        "batch_size": 4,
        "seed": 0,
    }


@dataclass(frozen=True)
class Subject:
    """A component under test.

    Args:
        component: registered or not.
        given: arguments from the plugin's author, as a recipe would give them.
    """

    component: Component
    given: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.component.kind}/{self.component.name}"

    def takes(self, name: str) -> bool:
        """Whether the factory has a parameter of this name that the run supplies."""
        return any(parameter.name == name and parameter.supplied for parameter in self.component.spec().parameters)

    def build(self, seed: int = 0, **other: Any) -> Any:
        """Build it with its defaults; ``other`` replaces some of the facts.

        Raises:
            ContractViolation: the factory fails.
            Inconclusive: it cannot be built without arguments from its author.
        """
        spec = self.component.spec()
        arguments = {}
        for parameter in spec.parameters:
            found = self._argument(parameter)
            if found is not _ABSENT:
                arguments[parameter.name] = found
        if self.component.kind in NETWORKS:  # no download: the code is tested, not the weights
            own = {parameter.name for parameter in spec.parameters}
            arguments |= {k: v for k, v in WITHOUT_START.items() if k in own and k not in self.given}
        seed_everything(seed)
        try:
            return build(ComponentPlan(self.component, spec, arguments, ""), {**facts(), **other})
        except (PluginError, InputError) as error:
            reason = error.reason if isinstance(error, PluginError) else str(error)
            raise ContractViolation(
                f"{self} cannot be built with its defaults: {reason}",
                f"'{KINDS[self.component.kind].singular}: {self.component.name}' is the first that a user tries",
                _missing_name(error)
                or "give every argument a default that works with what FromData supplies; where there can be none, "
                f'leave it out and let the test give one: checks("{self.component.distribution}", '
                f'arguments={{"{self}": {{...}}}})',
            ) from error

    def _argument(self, parameter: Parameter) -> Any:
        kind = uses(parameter.type)
        if parameter.name in self.given:
            return self._converted(parameter, self.given[parameter.name])
        if kind and parameter.required:
            made = stubs.make(kind)
            return [made] if bare(parameter.type) is not Any else made
        if kind and parameter.default is not None:
            return self._converted(parameter, parameter.default)
        if parameter.required:
            raise Inconclusive(
                f"{self} needs {parameter.name!r}, which has no default: "
                f'arguments={{"{self}": {{"{parameter.name}": ...}}}} in the call of checks() gives it'
            )
        return _ABSENT

    @staticmethod
    def _converted(parameter: Parameter, value: Any) -> Any:
        return plan_value(as_node(value), type_of(parameter.type), parameter.name, Registry())


_ABSENT: Final = object()


def _missing_name(error: Exception) -> str | None:
    """What to do where a factory failed for want of a module or a name; None where it failed otherwise."""
    cause = error.__cause__
    if isinstance(cause, ImportError):
        return (
            f"{raised_at(cause)} imports {cause.name!r}: install it and add its distribution to `dependencies` in "
            f"pyproject.toml; where it is a file of the package, write 'from .{cause.name} import ...'"
        )
    if isinstance(cause, NameError):
        return f"{raised_at(cause)} uses {cause.name!r}: import or define it at the top of that file"
    return None


def ask(component: Component, given: Mapping[str, Any], asked: str) -> None:
    """Carry out the check ``asked`` of a component.

    Raises:
        ContractViolation: it breaks its contract.
        Inconclusive: the check does not apply or cannot decide.
    """
    subject = Subject(component, given)
    home = importlib.import_module(f".{_HOMES[component.kind]}", __package__)
    own = getattr(home, f"{component.kind}_{asked}", None)
    question: Callable[[Subject], None] = own or (getattr(home, asked, None) or globals()[asked])
    threads = torch.get_num_threads()
    with _without_sockets(subject):
        try:
            question(subject)
        except (ContractViolation, Inconclusive):
            raise
        except Exception as error:
            raise ContractViolation(
                f"{subject} fails: {type(error).__name__}: {error} ({raised_at(error)})",
                f"the check {asked.replace('_', ' ')!r} uses it as a run does",
                f"the contract of {component.kind}: {KINDS[component.kind].contract}",
            ) from error
        finally:
            torch.set_num_threads(threads)


def builds(subject: Subject) -> None:
    """It is built with its defaults and the run's facts, and has what its contract names."""
    keeps_shape(subject, subject.build())


def keeps_shape(subject: Subject, built: Any) -> None:
    """What was built is of the type of its kind, and has what the contract names."""
    path, attributes = _SHAPES[subject.component.kind]
    missing = [name for name in attributes if not hasattr(built, name)]
    if missing or not isinstance(built, resolve_name(path)):
        what = f"has no {' and no '.join(missing)}" if missing else f"is not a {path.replace(':', '.')}"
        raise ContractViolation(
            f"{subject} gives {type(built).__name__}, which {what}",
            "the rest of the framework relies on nothing else",
            KINDS[subject.component.kind].contract,
        )


#: Kind -> the type of its components, and the attributes that the framework reads of them.
_SHAPES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "backbones": ("torch.nn:Module", ("channels", "strides")),
    "models": ("torch.nn:Module", ()),
    "losses": ("torch.nn:Module", ()),
    "augmentations": ("albumentations.core.serialization:Serializable", ()),
    "trainers": ("registry.engine.train.task:Task", ()),
    "datasets": ("builtins:object", ("facts", "split")),
    "generators": ("builtins:object", ("make",)),
    "optimizers": ("torch.optim:Optimizer", ()),
    "schedules": ("builtins:object", ("__call__",)),
    "metrics": ("torchmetrics:Metric", ()),
    "reports": ("builtins:object", ("at", "__call__")),
}


def pickles(subject: Subject) -> None:
    """It can be sent to another process, as loader workers are sent their data."""
    survives_spawn(subject.build(), str(subject))


_watched: list[list[str]] = []


def _refuse_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        if event == "socket.connect" and not isinstance(address, tuple):
            return  # a local socket, between processes
        _watched[-1].append(str(address))
        raise ConnectionRefusedError(f"no network while a plugin is checked: {address}")


@lru_cache(maxsize=1)
def _install_hook() -> None:
    sys.addaudithook(_refuse_sockets)  # it cannot be removed, and does nothing outside a check


@contextmanager
def _without_sockets(subject: Subject) -> Iterator[None]:
    """Refuse connections meanwhile, and report them after, whatever else failed for want of them."""
    _install_hook()
    calls: list[str] = []
    _watched.append(calls)
    try:
        yield
    finally:
        _watched.pop()
        if calls:
            raise ContractViolation(
                f"{subject} connects to {calls[0]}",
                "runs on offline computers fail, and the run does not record what it was made of",
                "let an argument decide, such as pretrained: bool = False, and fetch with "
                "registry.engine.require_weights",
            )
