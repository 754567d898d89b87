"""A component under test: it is built on the CPU and passed to the checks of its kind."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
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
from .violations import CONTRACTS, ContractViolation, Inconclusive

#: The number of classes, and the ignored label, of every trial.
CLASSES: Final = 3
IGNORED: Final = 255

#: Where a factory gets no argument.
_ABSENT: Final = object()


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
        seed_everything(seed)  # stand-ins among the arguments included
        found = {parameter.name: self._argument(parameter) for parameter in spec.parameters}
        if self.component.kind in NETWORKS:  # no download: the code is tested, not the weights
            found |= {name: value for name, value in WITHOUT_START.items() if name in found.keys() - self.given.keys()}
        arguments = {name: value for name, value in found.items() if value is not _ABSENT}
        try:
            return build(ComponentPlan(self.component, spec, arguments, ""), {**facts(), **other})
        except (PluginError, InputError) as error:
            reason = error.reason if isinstance(error, PluginError) else str(error)
            what = f"{self} cannot be built with its defaults: {reason}"
            line = f"{KINDS[self.component.kind].singular}: {self.component.name}"
            cause = error.__cause__
            if isinstance(cause, (ImportError, NameError)):
                rule = "module_not_found" if isinstance(cause, ImportError) else "name_not_found"
                raise ContractViolation(rule, what, line=line, where=raised_at(cause), name=cause.name) from error
            raise ContractViolation(
                "not_built", what, line=line, distribution=self.component.distribution, subject=self
            ) from error

    def _argument(self, parameter: Parameter) -> Any:
        """The author's value, else a stand-in for a component; _ABSENT for the factory's default."""
        kind = uses(parameter.type)
        value = self.given.get(parameter.name, parameter.default if kind and not parameter.required else None)
        if parameter.name in self.given or value is not None:
            return plan_value(as_node(value), type_of(parameter.type), parameter.name, Registry())
        if not parameter.required:
            return _ABSENT
        if kind:
            made = stubs.make(kind)
            return [made] if bare(parameter.type) is not Any else made
        raise Inconclusive(
            f"{self} needs {parameter.name!r}, which has no default: "
            f'arguments={{"{self}": {{"{parameter.name}": ...}}}} in the call of checks() gives it'
        )


def try_component(component: Component, given: Mapping[str, Any], check: str) -> None:
    """Carry out a check of a component.

    Args:
        component: registered or not.
        given: arguments from the plugin's author.
        check: name of the function, here or in the kind's module.

    Raises:
        ContractViolation: it breaks its contract.
        Inconclusive: the check does not apply or cannot decide.
    """
    module = importlib.import_module(f".{CONTRACTS[component.kind].module}", __package__)
    function: Callable[[Subject], None] = getattr(module, check, None) or globals()[check]
    subject, threads = Subject(component, given), torch.get_num_threads()
    with _without_sockets(subject):
        try:
            with _with_folder(subject) as ready:
                function(ready)
        except (ContractViolation, Inconclusive):
            raise
        except Exception as error:
            what = f"{subject} fails: {type(error).__name__}: {error} ({raised_at(error)})"
            kind = KINDS[component.kind]
            words = {"check": check.replace("_", " "), "kind": kind.name, "contract": kind.contract}
            raise ContractViolation("fails_in_use", what, **words) from error
        finally:
            torch.set_num_threads(threads)


@contextmanager
def _with_folder(subject: Subject) -> Iterator[Subject]:
    """The subject; a data set that needs a folder is given one, which a generator of the same name writes."""
    component = subject.component
    needs_root = any(each.name == "root" and each.required for each in component.spec().parameters)
    if component.kind != "datasets" or not needs_root or "root" in subject.given:
        yield subject
        return
    identity = (component.name, component.distribution)
    named = [each for each in Registry().components("generators") if (each.name, each.distribution) == identity]
    if not named:
        raise Inconclusive(
            f"{subject} reads a folder: offer a generator of the same name, or give one in the test: "
            f'checks("{component.distribution}", arguments={{"{subject}": {{"root": "tests/data"}}}})'
        )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        Subject(named[0]).build().make(root)
        yield replace(subject, given={**subject.given, "root": str(root)})


def builds(subject: Subject) -> None:
    """It is built with its defaults and the run's facts, and has the type and the attributes of its kind."""
    built, contract = subject.build(), CONTRACTS[subject.component.kind]
    missing = [name for name in contract.attributes if not hasattr(built, name)]
    if missing or not isinstance(built, resolve_name(contract.type)):
        what = f"has no {' and no '.join(missing)}" if missing else f"is not a {contract.type.replace(':', '.')}"
        raise ContractViolation(
            "wrong_type",
            f"{subject} gives {type(built).__name__}, which {what}",
            contract=KINDS[subject.component.kind].contract,
        )


def pickles(subject: Subject) -> None:
    """It, or the training split of a data set, can be sent to a process that is started afresh (``spawn``)."""
    built = subject.build()
    try:
        data = pickle.dumps(built.split("train") if subject.component.kind == "datasets" else built)
    except Exception as error:
        raise ContractViolation("not_pickled", f"{subject} cannot be pickled: {error}") from error
    receive = "import pickle, sys; pickle.load(sys.stdin.buffer)"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", receive]
        done = subprocess.run(command, input=data, capture_output=True, cwd=folder, timeout=120)
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["?"])[-1]
        raise ContractViolation("not_pickled", f"{subject} cannot be received by a new process: {last}")


_watched: list[list[str]] = []


def _refuse_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        if event == "socket.connect" and not isinstance(address, tuple):
            return  # a local socket, between processes
        _watched[-1].append(str(address))
        raise ConnectionRefusedError(f"no network while a plugin is checked: {address}")


sys.addaudithook(_refuse_sockets)  # it cannot be removed, and does nothing outside a check


@contextmanager
def _without_sockets(subject: Subject) -> Iterator[None]:
    """Refuse connections inside, and report them after, whatever else failed because of that."""
    calls: list[str] = []
    _watched.append(calls)
    try:
        yield
    finally:
        _watched.pop()
        if calls:
            raise ContractViolation("connects", f"{subject} connects to {calls[0]}")
