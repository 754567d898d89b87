"""The checks of trainers and reports: a real small training, of classified images or of masks."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ..catalog.kinds import KINDS
from ..catalog.registry import Registry
from ..catalog.spec import bare
from ..errors import Hw1Error, InputError
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

    def run(sections: dict[str, Any], folder: Path) -> None:
        before, _ = _fit(sections, folder / "plain")
        after, _ = _fit({**sections, "reports": [_use(subject)]}, folder / "drawn")
        if not after - before:
            raise ContractViolation(
                f"{subject} writes nothing into the run folder",
                "a report is what it leaves behind",
                "write to run.folder.figures / 'NAME.png', or run.folder.path / 'NAME.csv'",
            )

    refused = _small_run(
        subject, run, "refuse what it cannot plot in ready(run), with registry.InputError, before the training"
    )
    if refused:
        raise Inconclusive(f"{subject} refuses a small run of images and one of pixels ({refused})")


def trains(subject: Subject) -> None:
    """A trainer trains: two epochs that end, with finite figures and the score that it monitors."""

    def run(sections: dict[str, Any], folder: Path) -> None:
        _judge(subject, _fit(_sections_of(subject, sections), folder / "run")[1])

    refused = _small_run(subject, run, KINDS["trainers"].contract)
    if refused:
        raise ContractViolation(
            f"{subject} refuses a small run of images and one of pixels: {refused}",
            "one of them is what most users have",
            KINDS["trainers"].contract,
        )


def _small_run(subject: Subject, run: Callable[[dict[str, Any], Path], None], instead: str) -> str:
    """Call `run` with a recipe and an empty folder, until a task is not refused; returns the reasons if all are."""
    reasons = []
    for task in _TASKS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(_sections(task), Path(folder))
                return ""
            except InputError as error:
                reasons.append(f"{task}: {error}")
            except Hw1Error as error:
                raise ContractViolation(
                    f"{subject} fails in a {task} run: {error}",
                    "it is a training of eight images of 32 x 32 pixels, as small as a run can be",
                    instead,
                ) from error
    return "; ".join(reasons)


def _sections_of(trainer: Subject, sections: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the trainer and the components that it requires."""
    usual = {"models": sections.pop("model"), "backbones": "conformance_backbone", "losses": sections.pop("loss")}
    sections["trainer"] |= _use(trainer)
    for parameter in trainer.component.spec().parameters:
        kind = uses(parameter.type)
        if kind and parameter.required and kind not in usual:
            raise Inconclusive(f"{trainer} needs a section {parameter.name!r} of {KINDS[kind].name}")
        if kind and parameter.required:
            sections[parameter.name] = usual[kind] if bare(parameter.type) is Any else [usual[kind]]
    return sections


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


def _fit(sections: Mapping[str, Any], out: Path) -> tuple[set[str], Mapping[str, Any]]:
    """Train; returns the files of the run and its summary."""
    from rich.console import Console

    from ..engine.train.session import execute

    summary = execute(make_plan(Recipe.of(as_node(sections)), _registry()), Console(file=io.StringIO()), out=out)
    return {str(path.relative_to(out)) for path in out.rglob("*") if "tensorboard" not in path.parts}, summary


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
