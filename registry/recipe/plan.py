"""What a run is going to do, as checked data: components with their arguments, and the settings beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..catalog.components import Component
from ..catalog.kinds import KINDS, NETWORKS, WITHOUT_START
from ..catalog.provenance import of as provenance_of
from ..catalog.spec import REQUIRED, ComponentSpec
from ..errors import InputError, Problem
from .grammar import DataSettings, LoopSettings, RuntimeSettings, SplitSettings
from .load import Recipe
from .yaml import NOWHERE, Location


@dataclass(frozen=True)
class StartingWeights:
    """What a network starts from.

    Attributes:
        kind: ``random``; ``pretrained``, which the library finds; a ``file``; a ``run`` folder.
        source: the file or the run folder.
        reserved: whether the argument ``weights`` is the framework's own, which the factory does not take.
        declines_pretrained: whether it could start from the library's pretrained weights, and the recipe declines.
    """

    kind: Literal["random", "pretrained", "file", "run"]
    source: Path | None = None
    reserved: bool = False
    declines_pretrained: bool = False

    @property
    def loaded_by_framework(self) -> bool:
        """Whether the weights are loaded after the factory has built the network with random ones."""
        return self.source is not None and (self.reserved or self.kind == "run")


@dataclass(frozen=True)
class ComponentPlan:
    """A component and the checked arguments it will be built with.

    Args:
        component: the registered component.
        spec: its loaded component spec.
        arguments: what the recipe gave, converted; nested components are plans themselves.
        path: dotted path in the recipe.
        location: file and line.
        settings: of the framework, for a data set.
    """

    component: Component
    spec: ComponentSpec
    arguments: Mapping[str, Any]
    path: str
    location: Location = NOWHERE
    settings: DataSettings | None = None

    @property
    def name(self) -> str:
        return self.component.name

    def given_or_default(self) -> dict[str, Any]:
        """Every argument, defaults completed; what the run supplies is left out unless given."""
        return {
            parameter.name: self.arguments.get(parameter.name, parameter.default)
            for parameter in self.spec.parameters
            if parameter.name in self.arguments or parameter.default is not REQUIRED
        }

    @contextmanager
    def attach_location(self) -> Iterator[None]:
        """Give the problems that the component reports about its arguments their location in the recipe."""
        try:
            yield
        except InputError as error:
            own = {parameter.name for parameter in self.spec.parameters}
            whole = (self.component.name, KINDS[self.component.kind].singular)
            for index, problem in enumerate(error.problems):
                if problem.path in whole or (problem.path in own and self.path):
                    path = self.path if problem.path in whole else f"{self.path}.{problem.path}"
                    error.problems[index] = replace(
                        problem, path=path, line=self.location.line, file=self.location.file
                    )
            raise

    def preflight(self) -> None:
        """Check that what the arguments name is available.

        Raises:
            InputError: it is not.
        """
        arguments = self.given_or_default()
        with self.attach_location():
            if self.start.loaded_by_framework:
                source = self.start.source
                if not os.path.exists(str(source)):  # noqa: PTH110 - False, too, for a name too long for a file
                    message = f"there is no file or run folder {str(source)!r}"
                    raise InputError.of("weights", message, "name a run folder, or a .safetensors or .pth file")
                arguments |= {name: value for name, value in WITHOUT_START.items() if name in arguments}
            if self.spec.preflight is not None:
                self.spec.preflight(arguments)

    @property
    def start(self) -> StartingWeights:
        """What the network starts from; random weights for a component of another kind."""
        if self.component.kind not in NETWORKS:
            return StartingWeights("random")
        arguments = self.given_or_default()
        weights, pretrained = arguments.get("weights"), arguments.get("pretrained")
        if isinstance(weights, Path):
            return StartingWeights("run" if weights.is_dir() else "file", weights, "weights" in self.spec.reserved)
        return StartingWeights("pretrained" if pretrained else "random", declines_pretrained=pretrained is False)

    def without_start(self) -> ComponentPlan:
        """The plan with random weights for every network in it: a checkpoint is about to replace them."""

        def changed(value: Any) -> Any:
            if isinstance(value, ComponentPlan):
                return value.without_start()
            return [changed(item) for item in value] if isinstance(value, list) else value

        arguments = {name: changed(value) for name, value in self.arguments.items()}
        if self.component.kind in NETWORKS:
            arguments |= {p.name: WITHOUT_START[p.name] for p in self.spec.parameters if p.name in WITHOUT_START}
        return replace(self, arguments=arguments)

    def as_json(self, *, provenance: bool = False) -> dict[str, Any]:
        """Name, version and completed arguments; ``provenance`` adds where the code comes from, for the run folder."""
        arguments = {**self.given_or_default(), **(vars(self.settings) if self.settings is not None else {})}
        return {
            "use": self.component.name,
            "kind": self.component.kind,
            "distribution": self.component.distribution,
            "version": self.component.version,
            "target": self.component.target,
            **({"provenance": provenance_of(self.component)} if provenance else {}),
            "arguments": _as_json(arguments, provenance),
        }


def _as_json(value: Any, provenance: bool) -> Any:
    if isinstance(value, ComponentPlan):
        return value.as_json(provenance=provenance)
    if isinstance(value, Mapping):
        return {key: _as_json(item, provenance) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item, provenance) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


@dataclass(frozen=True)
class Plan:
    """Everything a run needs to know, checked.

    Args:
        recipe: the recipe it came from.
        seed: seed of everything random.
        trainer: the trainer; its arguments hold the components that its signature asks for.
        data: the data set.
        loop: the loop's settings.
        runtime: the machine's settings.
        optimizer, schedule: built by the loop, once the parameters and the steps are known.
        augment: ``train`` and ``eval`` -> augmentations in order.
        reports, trackers: in order.
        make: what writes the data first; None for data that is there.
        split: how the training split is divided; None where the data set has an evaluation split itself.
        published: scores that others report, by name.
        origin: of a run that starts from another one's state: its folder, checkpoint and epoch, and what is changed.
    """

    recipe: Recipe
    seed: int
    trainer: ComponentPlan
    data: ComponentPlan
    loop: LoopSettings
    runtime: RuntimeSettings
    optimizer: ComponentPlan
    schedule: ComponentPlan
    augment: Mapping[str, list[ComponentPlan]] = field(default_factory=dict)
    reports: list[ComponentPlan] = field(default_factory=list)
    trackers: list[ComponentPlan] = field(default_factory=list)
    make: ComponentPlan | None = None
    split: SplitSettings | None = None
    published: Mapping[str, float] | None = None
    origin: Mapping[str, Any] | None = None

    @property
    def demo(self) -> bool:
        """Whether it learns from generated data."""
        return self.make is not None or self.recipe.demo

    def as_json(self) -> dict[str, Any]:
        """The resolved plan with provenance and completed arguments."""
        shown = {key: getattr(self, key) for key in ("seed", "trainer", "data", "optimizer", "schedule", "augment")}
        shown |= {"loop": vars(self.loop), "runtime": vars(self.runtime), "make": self.make}
        shown |= {"reports": self.reports, "trackers": self.trackers}
        shown |= {"split": vars(self.split)} if self.split is not None else {}
        shown |= {"published": self.published} if self.published else {}
        shown |= {"from": self.origin} if self.origin is not None else {}
        return {key: _as_json(value, True) for key, value in shown.items()}

    def missing(self, parts: Iterable[ComponentPlan] | None = None) -> list[Problem]:
        """The problems that the preflights of components find: of all, or of some, which need no network."""
        problems: list[Problem] = []
        for part in self.components() if parts is None else parts:
            try:
                part.preflight()
            except InputError as error:
                problems += error.problems
        return problems

    def components(self) -> list[ComponentPlan]:
        """Every component of the plan, nested ones included."""
        found: list[ComponentPlan] = []
        queue: list[Any] = [vars(self)]
        while queue:
            item = queue.pop(0)
            if isinstance(item, ComponentPlan):
                found.append(item)
                queue += item.given_or_default().values()
            elif isinstance(item, Mapping):
                queue += item.values()
            elif isinstance(item, (list, tuple)):
                queue += item
        return found
