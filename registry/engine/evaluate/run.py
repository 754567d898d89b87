"""A finished run evaluated: its own scores, and what each image contributed to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console as Terminal
from torch.utils.data import DataLoader

from ...errors import InputError
from ...recipe.plan import Plan
from ..console import Console
from ..data.classes import classes_of
from ..data.facts import completed_facts
from ..data.loader import Augmented, EpochOrder, checked, close, derive_seed, make_loader, workers_for
from ..train import demo
from ..train.prepare import open_data
from ..train.saved_run import Device, SavedRun, open_run
from ..train.task import seed_everything
from .per_image import Collected
from .report import Evaluation

IgnoredPixels = Literal["leave_out", "count_against"]


@dataclass(frozen=True)
class RunQuestion:
    """Which run is evaluated, and on what.

    Attributes:
        run: the run folder.
        data: a folder in place of the data's own root.
        split: of the data.
        checkpoint: which weights.
        device: where.
        ignored_pixels: see ``Classes.count_against``; None for the rule of the run's own metric.
        worst: how many of the worst images to show.
    """

    run: Path
    data: Path | None = None
    split: Literal["train", "val"] = "val"
    checkpoint: Literal["best", "last"] = "best"
    device: Device = "auto"
    ignored_pixels: IgnoredPixels | None = None
    worst: int = 12


def evaluate_run(question: RunQuestion, terminal: Terminal) -> Evaluation:
    """Evaluate a run as its training did: the same augmentations, precision and batches.

    Raises:
        InputError: no run, no data, data of other classes, or files that cannot be read.
        PluginError: a plugin of the run fails.
    """
    console = Console(terminal)
    saved = open_run(question.run, checkpoint=question.checkpoint, device=question.device)
    plan = _with_data(saved.plan, question, console)
    seed_everything(derive_seed(plan.seed, 0))
    # Other data are taken whole: the recipe's split divides its own.
    data = open_data(plan if question.data is None else replace(plan, split=None))
    _require_same_classes(saved.facts, completed_facts(data), plan)
    splits = _splits(saved, data, question)
    rule = _rule(plan, question)
    collected = None
    if saved.task.predicts_classes and "num_classes" in saved.facts:
        collected = Collected(classes_of(saved.facts, **rule), saved.facts["num_classes"])
    scores = _walk(saved, splits, collected, question.split, console)
    found = collected.finish() if collected is not None else None
    notes = list(saved.task.notes())
    if found is not None and question.ignored_pixels is not None:
        # The rule was asked for, and the run's own metrics may follow another one.
        scores = {name: value for name, value in scores.items() if name == "loss"} | found.scores()
    elif found is not None:
        scores = found.scores() | scores
    shown = splits[question.split]
    worst = found.worst(saved, shown, question.worst) if found is not None else []
    if found is not None:
        notes += found.confusion.notes("pixel" if found.kind == "masks" else "image")
    else:
        notes.append(f"{plan.trainer.name} does not predict classes: scores only, without a confusion matrix")
    title = "/".join(saved.folder.path.resolve().parts[-2:])
    about = {
        "run": str(saved.folder.path),
        "checkpoint": question.checkpoint,
        "epoch": saved.epoch,
        "split": question.split,
        "data": str(plan.data.given_or_default().get("root", plan.data.name)),
        "demo": plan.demo and question.data is None,
        "device": str(saved.runtime.device),
        "precision": saved.runtime.precision,
    }
    return Evaluation(
        f"{title}, epoch {saved.epoch}, {question.split}{' (demo data)' if about['demo'] else ''}",
        about,
        found.kind if found is not None else None,
        len(shown),
        scores,
        found.confusion if found is not None else None,
        found.rows if found is not None else (),
        worst,
        list(dict.fromkeys(notes)),
    )


def _with_data(plan: Plan, question: RunQuestion, console: Console) -> Plan:
    """The plan with the data that were asked for."""
    if question.data is None and plan.make is not None:
        return demo.generate_data(plan, console)
    takes_root = any(parameter.name == "root" for parameter in plan.data.spec.parameters)
    if question.data is not None:
        if not takes_root:
            raise InputError.of("--data", f"the data set {plan.data.name!r} has no root that could be another")
        if not question.data.is_dir():
            raise InputError.of(str(question.data), "is not a folder")
        return replace(plan, data=replace(plan.data, arguments={**plan.data.arguments, "root": question.data}))
    root = plan.data.given_or_default().get("root") if takes_root else None
    if root is not None and not Path(root).expanduser().exists():
        raise InputError.of(str(root), "does not exist, and the run's data were there", "name their folder with --data")
    return plan


def _require_same_classes(trained: Mapping[str, Any], current: Mapping[str, Any], plan: Plan) -> None:
    for name in ("class_names", "num_classes", "ignore_index"):
        old, new = (facts.get(name) for facts in (trained, current))
        old, new = (list(value) if isinstance(value, (list, tuple)) else value for value in (old, new))
        if old != new:
            where = str(plan.data.given_or_default().get("root", plan.data.name))
            raise InputError.of(where, f"has {name} {_short(new)}, but the run was trained with {_short(old)}")


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:8])) + (f", ... ({len(value)})" if len(value) > 8 else "")


def _splits(saved: SavedRun, data: Any, question: RunQuestion) -> dict[str, Augmented]:
    """What is walked over: the split asked for, or all that the task's evaluation needs."""
    task = saved.task
    wanted: Sequence[str] = task.evaluation_splits
    if question.split not in wanted:
        if len(wanted) > 1:
            message = f"this run's scores need the splits {', '.join(wanted)} together"
            raise InputError.of("--split", message, f"leave it out, or: --split {wanted[-1]}")
        wanted = (question.split,)
    source = task.evaluation_data or data
    found = {}
    for name in wanted:
        samples = source.split(name)
        if samples is None or len(samples) == 0:
            raise InputError.of(f"--split {name}", "is empty, or the data have no such split")
        found[name] = Augmented(samples, saved.transform, seed=None)
    return found


def _rule(plan: Plan, question: RunQuestion) -> dict[str, Any]:
    """How ignored pixels count and which classes no mean counts: as asked, else as the run's first such metric says."""
    for part in plan.components():
        given = part.given_or_default()
        if part.component.kind == "metrics" and "ignored_pixels" in given:
            rule = question.ignored_pixels or given["ignored_pixels"]
            left_out = given.get("left_out") if question.ignored_pixels in (None, given["ignored_pixels"]) else None
            return {"count_against": rule == "count_against", "left_out": left_out}
    return {"count_against": question.ignored_pixels == "count_against", "left_out": None}


def _walk(
    saved: SavedRun, splits: Mapping[str, Augmented], collected: Collected | None, shown: str, console: Console
) -> dict[str, float]:
    """The task's scores over the splits, as the training loop computes them."""
    task, settings = saved.task, saved.plan.loop
    task.eval()
    task.begin_evaluation()
    with torch.inference_mode(), saved.runtime.autocast(), _outputs_of(task) as outputs:
        for name, split in splits.items():
            loader = _loader(saved, split, settings.eval_batch_size or settings.batch_size)
            try:
                for batch in console.track(map(checked, loader), len(loader), f"evaluating {name}"):
                    prepared = saved.preprocess(batch)
                    outputs.clear()
                    task.evaluate({**prepared, "split": name})
                    if name == shown and collected is not None:
                        collected.add(prepared, outputs)
            finally:
                close(loader)
    return task.scores()


def _loader(saved: SavedRun, split: Augmented, batch_size: int) -> DataLoader[Any]:
    order = EpochOrder(len(split), batch_size, seed=None)
    workers = workers_for(saved.plan.runtime.workers, len(split))
    return make_loader(split, order, workers=workers, pin_memory=saved.runtime.device.type == "cuda")


@contextmanager
def _outputs_of(task: Any) -> Iterator[list[Any]]:
    """What the task's model gives while the task evaluates: one pass serves its scores and ours."""
    outputs: list[Any] = []
    model = getattr(task, "model", None)
    if not isinstance(model, torch.nn.Module):
        yield outputs
        return
    handle = model.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()
