"""The checks of trainers, reports and trackers: a real small training, of images with labels or of masks."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from ..catalog.kinds import KINDS
from ..catalog.registry import Registry
from ..catalog.spec import bare
from ..engine.train.session import execute
from ..errors import Hw1Error, InputError
from ..recipe.load import Recipe
from ..recipe.planner import epochs_at, make_plan
from ..recipe.types import uses
from ..recipe.yaml import as_node
from .stubs import ENTRY_POINTS
from .subject import Subject
from .violations import ContractViolation, Inconclusive

Sections = dict[str, Any]
Summary = Mapping[str, Any]


def epochs(subject: Subject) -> None:
    """A report's epochs can be read."""
    report = subject.build()
    try:
        epochs_at(report.at, 10)
    except (ValueError, TypeError) as error:
        raise ContractViolation("epochs_unreadable", f"`at` of {subject} cannot be read: {error}") from error


def draws(subject: Subject) -> None:
    """A report writes something into the folder of a run, whether of images or of pixels."""
    (before, _), (after, _) = _train(subject, lambda sections: [sections, {**sections, "reports": [_use(subject)]}])
    if not after - before:
        raise ContractViolation("draws_nothing", f"{subject} writes nothing into the run folder")


def records(subject: Subject) -> None:
    """A run that a tracker records, stopped and resumed, ends like one without it, and the tracker does not fail."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # where local stores are by default
        sections = _sections("classification")
        _, plain = _run(sections, Path("plain"))
        sections["trackers"] = [_use(subject)]
        try:
            _run({**sections, "trainer": {**sections["trainer"], "epochs": 1}}, Path("recorded"))
            _, recorded = _run(sections, Path("recorded"), resume=True)
        except Hw1Error as error:
            raise ContractViolation("tracker_fails", f"{subject}: {error}") from error
    if recorded["last"] != plain["last"]:
        what = f"a run with {subject} ends with {recorded['last']}, one without it with {plain['last']}"
        raise ContractViolation("tracker_changes_run", what)


def trains(subject: Subject) -> None:
    """A trainer trains: two epochs that end, with a loss where anything learns, and finite figures."""
    ((_, summary),) = _train(subject, lambda sections: [_with_trainer(subject, sections)])
    learned = summary["images_per_second"] is not None  # the speed of its training steps
    if not learned and any(uses(each.type) == "losses" for each in subject.component.spec().parameters):
        raise ContractViolation("nothing_learns", f"{subject} takes a loss, and none of its parameters learns")
    figures = {name: value for name, value in summary["last"].items() if isinstance(value, float)}
    wrong = [f"gives {name} = {value}" for name, value in figures.items() if not math.isfinite(value)]
    wrong += ["reports no train_loss"] if learned and "train_loss" not in figures else []
    wrong += [] if figures else ["gives neither a loss nor a score"]
    if wrong:
        raise ContractViolation("figures_of_run", f"{subject} {wrong[0]} after two epochs of eight images")


def _train(subject: Subject, recipes: Callable[[Sections], list[Sections]]) -> list[tuple[set[str], Summary]]:
    """Train `recipes`, made of a small one of images, or else of pixels, or, by a trainer, of several labels an image.

    Returns:
        Of each run the files and the summary.
    """
    is_report, refused = subject.component.kind == "reports", []
    for task in ("classification", "segmentation", *(() if is_report else ("multilabel",))):
        with tempfile.TemporaryDirectory() as folder:
            try:
                return [_run(each, Path(folder) / str(at)) for at, each in enumerate(recipes(_sections(task)))]
            except InputError as error:
                refused.append(f"{task}: {error}")
            except Hw1Error as error:
                rule = "run_with_report_fails" if is_report else "run_fails"
                raise ContractViolation(rule, f"{subject} fails in a {task} run: {error}") from error
    message = f"{subject} refuses small runs of images and of pixels: {'; '.join(refused)}"
    raise Inconclusive(message) if is_report else ContractViolation("task_refused", message)


def _run(sections: Sections, out: Path, *, resume: bool = False) -> tuple[set[str], Summary]:
    installed = [entry for distribution in metadata.distributions() for entry in distribution.entry_points]
    plan = make_plan(Recipe.of(as_node(sections)), Registry([*installed, *ENTRY_POINTS]))
    summary = execute(plan, Console(file=io.StringIO()), out=out, resume=resume)
    return {str(path.relative_to(out)) for path in out.rglob("*")}, summary


def _sections(task: str) -> Sections:
    """A recipe of stand-ins over eight images."""
    pixels = task == "segmentation"
    return {
        "trainer": {"use": "conformance_trainer", "epochs": 2, "batch_size": 4},
        "data": {"use": "conformance_data", "masks": pixels, "flags": task == "multilabel"},
        "model": "conformance_segmenter" if pixels else "conformance_classifier",
        "loss": "conformance_loss",
        "trackers": [],
        "runtime": {"device": "cpu", "precision": "fp32", "memory_format": "contiguous", "workers": 0},
    }


def _with_trainer(trainer: Subject, sections: Sections) -> Sections:
    """The recipe with the trainer and the components that it requires."""
    usual = {"models": sections.pop("model"), "backbones": "conformance_backbone", "losses": sections.pop("loss")}
    sections["trainer"] |= _use(trainer)
    for parameter in trainer.component.spec().parameters:
        kind = uses(parameter.type)
        if kind and parameter.required:
            if kind not in usual:
                raise Inconclusive(f"{trainer} needs a section {parameter.name!r} of {KINDS[kind].name}")
            sections[parameter.name] = usual[kind] if bare(parameter.type) is Any else [usual[kind]]
    return sections


def _use(subject: Subject) -> Sections:
    return {"use": f"{subject.component.distribution}:{subject.component.name}", **subject.given}
