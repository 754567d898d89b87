"""The checks of trainers and reports: a real small training, of classified images or of masks."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ..catalog.kinds import KINDS
from ..catalog.registry import Registry
from ..catalog.spec import bare
from ..errors import Hw1Error, InputError, PluginError
from ..recipe.epochs import epochs_at
from ..recipe.load import Recipe
from ..recipe.planner import make_plan
from ..recipe.types import uses
from ..recipe.yaml import as_node
from .stubs import ENTRY_POINTS
from .subject import Subject
from .violations import ContractViolation, Inconclusive

#: Whether images or pixels have a class.
_TASKS: Final = ("classification", "segmentation")


def epochs(subject: Subject) -> None:
    """A report's epochs can be read."""
    report = subject.build()
    try:
        epochs_at(report.at, 10)
    except (ValueError, TypeError) as error:
        raise ContractViolation(
            f"`at` of {subject} cannot be read: {error}",
            "it says at which epochs the report is drawn",
            'a list such as ["first", "middle", "last"], [1, 10], ["50%"] or ["every 5"]',
        ) from error


def draws(subject: Subject) -> None:
    """A report leaves something behind in a run, whether of images or of pixels."""
    reasons = []
    for task in _TASKS:
        with tempfile.TemporaryDirectory() as folder:
            sections = _sections(task)
            sections["reports"] = [_use(subject)]
            try:
                before = _fit(sections, Path(folder) / "plain", without="reports")
                after = _fit(sections, Path(folder) / "drawn")
            except InputError as error:
                reasons.append(f"{task}: {error}")
                continue
            except PluginError as error:
                raise ContractViolation(
                    f"{subject} fails in a {task} run: {error}",
                    "a run whose report fails ends with an error, though its weights are safe",
                    "refuse what it cannot draw in ready(run), with registry.InputError, before the training",
                ) from error
            if not after - before:
                raise ContractViolation(
                    f"{subject} writes nothing into the run folder",
                    "a report is what it leaves behind",
                    "write to run.folder.figures / 'NAME.png', or run.folder.path / 'NAME.csv'",
                )
            return
    raise Inconclusive(f"{subject} refuses a small run of images and one of pixels ({'; '.join(reasons)})")


def trains(subject: Subject) -> None:
    """A trainer trains: two epochs that end, with finite figures and the score that it trackers."""
    reasons = []
    for task in _TASKS:
        with tempfile.TemporaryDirectory() as folder:
            sections = _sections(task)
            sections["trainer"] = {**sections["trainer"], **_use(subject)}
            wanted = {each.name: each for each in subject.component.spec().parameters if uses(each.type)}
            usual = {
                "models": sections.pop("model"),
                "backbones": "conformance_backbone",
                "losses": sections.pop("loss"),
            }
            for name, parameter in wanted.items():
                kind = str(uses(parameter.type))
                if parameter.required and kind in usual:
                    sections[name] = usual[kind] if bare(parameter.type) is Any else [usual[kind]]
                elif parameter.required:
                    raise Inconclusive(f"{subject} needs a section {name!r} of {KINDS[kind].name}")
            summary: dict[str, Any] = {}
            try:
                _fit(sections, Path(folder) / "run", summary)
            except InputError as error:
                reasons.append(f"{task}: {error}")
                continue
            except Hw1Error as error:
                raise ContractViolation(
                    f"{subject} fails in a {task} run: {error}",
                    "this is a training of eight images of 32 x 32 pixels",
                    KINDS["trainers"].contract,
                ) from error
            _judge(subject, summary)
            return
    raise ContractViolation(
        f"{subject} refuses a small run of images and one of pixels: {'; '.join(reasons)}",
        "one of them is what most users have",
        KINDS["trainers"].contract,
    )


def _judge(subject: Subject, summary: Mapping[str, Any]) -> None:
    figures = {name: value for name, value in summary["last"].items() if isinstance(value, float)}
    infinite = [name for name, value in figures.items() if not math.isfinite(value)]
    if infinite or not figures:
        what = f"gives {infinite[0]} = {figures[infinite[0]]}" if infinite else "gives neither a loss nor a score"
        raise ContractViolation(
            f"{subject} {what} after two epochs of eight images",
            "every figure is logged, and the loss minimised",
            "forward(batch) returns {'loss': scalar, ...}; scores() leaves out what has no value",
        )


def _use(subject: Subject) -> dict[str, Any]:
    return {"use": f"{subject.component.distribution}:{subject.component.name}", **subject.given}


def _fit(sections: Mapping[str, Any], out: Path, summary: dict[str, Any] | None = None, without: str = "") -> set[str]:
    """Train; returns the files of the run."""
    from rich.console import Console

    from ..engine.train.session import execute

    node = as_node({key: value for key, value in sections.items() if key != without})
    plan = make_plan(Recipe.of(node), _registry())
    result = execute(plan, Console(file=io.StringIO()), out=out)
    if summary is not None:
        summary.update(result)
    return {str(path.relative_to(out)) for path in out.rglob("*") if "tensorboard" not in path.parts}


def _registry() -> Registry:
    """What is installed, and the stand-ins."""
    installed = [entry for distribution in metadata.distributions() for entry in distribution.entry_points]
    return Registry([*installed, *ENTRY_POINTS])


def _sections(task: str) -> dict[str, Any]:
    """A recipe of stand-ins over eight images."""
    pixels = task == "segmentation"
    return {
        "trainer": {"use": "conformance_trainer", "epochs": 2, "batch_size": 4},
        "data": {"use": "conformance_data", "masks": pixels},
        "model": "conformance_segmenter" if pixels else "conformance_classifier",
        "loss": "conformance_loss",
        "runtime": {"device": "cpu", "precision": "fp32", "memory_format": "contiguous", "workers": 0},
    }
