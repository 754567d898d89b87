"""A run evaluated on its data: its own scores, and what each image contributed to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from rich.console import Console as Terminal
from torch import Tensor

from ...errors import InputError
from ...recipe.plan import Plan
from ..console import Console
from ..data.augmented import Augmented
from ..data.classes import classes_of
from ..data.colors import displayed
from ..data.facts import completed_facts
from ..data.loader import EpochOrder, batches, close, derive_seed, make_loader, workers_for
from ..data.preprocess import checked
from ..data.skipping import SkippedSamples
from ..ensemble import Ensemble
from ..exported import open_model
from ..train import demo
from ..train.prepare import open_data
from ..train.saved_run import Device, SavedRun
from ..train.task import seed_everything
from .confusion import Confusion
from .figures import Example
from .files import IgnoredPixels, scoring_rule
from .metrics import count_images, with_ignored
from .per_image import Tally
from .report import Evaluation
from .several import SeveralTally

#: Samples that could not be read and are named in the notes.
_LISTED: Final = 10


@dataclass(frozen=True)
class RunQuestion:
    """Which run is evaluated, and on what.

    Attributes:
        run: the run folder, or an exported file.
        data: a folder in place of the data's own root.
        split: of the data.
        checkpoint: which weights.
        device: where.
        ignored_pixels: see ``Classes.count_against``; None for the rule of the run's own metric.
        worst: how many of the worst images to show.
        probabilities: whether the rows of images with labels hold the probability of every class.
    """

    run: Path
    data: Path | None = None
    split: Literal["train", "val"] = "val"
    checkpoint: str = "best"
    device: Device = "auto"
    ignored_pixels: IgnoredPixels | None = None
    worst: int = 12
    probabilities: bool = False


def evaluate_run(question: RunQuestion, terminal: Terminal) -> Evaluation:
    """Evaluate a run as its training did: the same augmentations, precision and batches.

    Raises:
        InputError: no run, no data, data of other classes, or files that cannot be read.
        PluginError: a plugin of the run fails.
    """
    console = Console(terminal)
    saved = open_model(question.run, checkpoint=question.checkpoint, device=question.device)
    if question.run.is_file() and "model" not in saved.plan.trainer.arguments:
        message = f"a {saved.plan.trainer.name} run cannot be evaluated from an exported file"
        raise InputError.of(str(question.run), message, "evaluate its run folder")
    if isinstance(saved.task.model, Ensemble) and question.data is None:
        hint = "name other images with --data; the study's out_of_fold.json has its scores"
        raise InputError.of(str(question.run), "is a study whose folds have trained on all of its images", hint)
    plan = with_data(saved.plan, question.data, console)
    root = str(plan.data.given_or_default().get("root", plan.data.name))
    seed_everything(derive_seed(plan.seed, 0))
    # Other data are taken whole: the recipe's split divides its own.
    data = open_data(plan if question.data is None else replace(plan, split=None))
    skipped = _skipped(plan)
    _require_same_classes(saved.facts, completed_facts(data, skip=skipped is not None), root)
    splits = _splits(saved, data, question.split, skipped)
    tally = None
    if saved.task.predicts_classes and "num_classes" in saved.facts:
        classes, threshold = (
            classes_of(saved.facts, **scoring_rule(saved.recorded, question.ignored_pixels)),
            saved.task.threshold,
        )
        tally = Tally(classes) if threshold is None else SeveralTally(classes, threshold=threshold)
    scores: dict[str, Any] = _walk(saved, splits, tally, question, console)
    notes, worst = [*saved.notes, *saved.task.notes()], []
    if tally is not None and tally.rows:
        if question.ignored_pixels is not None:
            # The rule was asked for, and the run's own metrics may follow another one.
            scores = {name: value for name, value in scores.items() if name == "loss"} | tally.scores()
        else:
            scores = tally.scores() | scores
        worst = [_example(saved, splits[question.split], tally, at) for at in tally.worst(question.worst)]
        notes += tally.confusion.notes(tally.unit)
    else:
        tally = None
        notes.append(f"{plan.trainer.name} does not give one class: scores only, without a confusion matrix")
    about = {
        "run": str(saved.folder.path),
        "checkpoint": question.checkpoint,
        "epoch": saved.epoch,
        "split": question.split,
        "data": root,
        "demo": plan.demo and question.data is None,
        "device": str(saved.runtime.device),
        "precision": saved.runtime.precision,
    }
    name = "/".join(saved.folder.path.resolve().parts[-2:])
    title = f"{name}, epoch {saved.epoch}, {question.split}{' (demo data)' if about['demo'] else ''}"
    images = len(splits[question.split])
    if skipped is not None and skipped.caveat is not None:
        images -= sum(name == question.split for name, _ in skipped.reasons)
        notes += [skipped.caveat, *list(skipped.reasons.values())[:_LISTED]]
    return Evaluation(title, about, images, scores, tally, worst, list(dict.fromkeys(notes)))


def with_data(plan: Plan, folder: Path | None, console: Console) -> Plan:
    """The plan with the data of another folder, or with its own, generated where they were.

    Raises:
        InputError: the folder, or the data's own root, does not exist.
    """
    if folder is None and plan.make is not None:
        return demo.generate_data(plan, console)
    takes_root = any(parameter.name == "root" for parameter in plan.data.spec.parameters)
    if folder is not None:
        if not takes_root:
            raise InputError.of("--data", f"the data set {plan.data.name!r} has no root to replace")
        if not folder.is_dir():
            raise InputError.of(str(folder), "is not a directory")
        return replace(plan, data=replace(plan.data, arguments={**plan.data.arguments, "root": folder}))
    root = plan.data.given_or_default().get("root") if takes_root else None
    if root is not None and not Path(root).expanduser().exists():
        raise InputError.of(str(root), "does not exist, and the run's data were there", "name their folder with --data")
    return plan


def _require_same_classes(trained: Mapping[str, Any], current: Mapping[str, Any], root: str) -> None:
    def text(value: Any) -> str:
        if not isinstance(value, list):
            return str(value)
        return ", ".join(map(str, value[:8])) + (f", ... ({len(value)})" if len(value) > 8 else "")

    for name in ("class_names", "num_classes", "ignore_index"):
        old, new = (facts.get(name) for facts in (trained, current))
        old, new = (list(value) if isinstance(value, (list, tuple)) else value for value in (old, new))
        if old != new:
            raise InputError.of(root, f"has {name} {text(new)}, but the run was trained with {text(old)}")


def _skipped(plan: Plan) -> SkippedSamples | None:
    """Where samples that cannot be read are recorded, for a run that skips them."""
    settings = plan.data.settings
    return SkippedSamples(settings.max_skipped) if settings and settings.on_error == "skip" else None


def _splits(saved: SavedRun, data: Any, split: str, skipped: SkippedSamples | None) -> dict[str, Augmented]:
    """What is evaluated: the split asked for, or all that the task's evaluation needs."""
    wanted: Sequence[str] = saved.task.evaluation_splits
    if split not in wanted:
        if len(wanted) > 1:
            message = f"this run's scores need the splits {', '.join(wanted)} together"
            raise InputError.of("--split", message, f"leave it out, or: --split {wanted[-1]}")
        wanted = (split,)
    found = {}
    for name in wanted:
        samples = (saved.task.evaluation_data or data).split(name)
        if samples is None or len(samples) == 0:
            raise InputError.of(f"--split {name}", "is empty, or the data have no such split")
        found[name] = Augmented(samples, saved.transform, seed=None, split=name, skipped=skipped)
    return found


def _walk(
    saved: SavedRun, splits: Mapping[str, Augmented], tally: Tally | None, question: RunQuestion, console: Console
) -> dict[str, float]:
    """The task's scores over the splits, as the training loop computes them; the images of one split are tallied."""
    task, settings = saved.task, saved.plan.loop
    task.eval()
    task.begin_evaluation()
    # One pass serves the task's scores and ours: its model's outputs are kept while the task evaluates.
    outputs: list[Any] = []
    model = getattr(task, "model", None)
    collecting: Any = nullcontext()
    if isinstance(model, torch.nn.Module):
        collecting = model.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.inference_mode(), saved.runtime.autocast(), collecting:
        for name, split in splits.items():
            order = EpochOrder(len(split), settings.eval_batch_size or settings.batch_size, seed=None)
            workers = workers_for(saved.plan.runtime.workers, len(split))
            loader = make_loader(split, order, workers=workers, pin_memory=saved.runtime.device.type == "cuda")
            try:
                for batch in console.track(batches(loader), len(loader), f"evaluating {name}"):
                    prepared = saved.preprocess(batch)
                    outputs.clear()
                    task.evaluate({**prepared, "split": name})
                    if name == question.split and tally is not None and outputs:
                        _add(tally, prepared, outputs[-1], saved.facts["num_classes"], question.probabilities)
            finally:
                close(loader)
    return task.scores()


def _add(tally: Tally, batch: Mapping[str, Any], logits: Any, classes: int, each_class: bool) -> None:
    """Tally a batch, if the model's output are logits of its targets: one for each class.

    ``each_class`` adds the probability of every class to the rows of images with labels.
    """
    target = batch.get("mask", batch.get("label"))
    if target is None or not isinstance(logits, Tensor):
        return
    if isinstance(tally, SeveralTally):
        if logits.shape == target.shape:
            rows = zip(batch["name"], target.tolist(), logits.float().sigmoid().tolist(), strict=True)
            for name, flags, shares in rows:
                tally.add_labels(name, flags, shares)
        return
    tally.kind = "masks" if "mask" in batch else "labels"
    if logits.dim() != target.dim() + 1:
        return
    if logits.shape[1] != classes or len(logits) != len(target):
        return
    logits = logits.float()
    if tally.kind == "masks":
        counts = count_images(logits.max(1).indices, target, tally.classes).cpu().numpy()
        for name, own in zip(batch["name"], counts, strict=True):
            tally.add_mask(name, Confusion(own, tally.classes))
        return
    probabilities = logits.softmax(1)
    best, known = probabilities.max(1), target.clamp(0, classes - 1)
    own = probabilities.gather(1, known[:, None])[:, 0].where(known == target, torch.nan)
    columns = (with_ignored(target, tally.classes), best.indices, best.values, own, probabilities)
    names = [f"probability/{of}" for of in tally.classes.names[:classes]] if each_class else []
    for name, truth, predicted, share, right, each in zip(batch["name"], *(c.tolist() for c in columns), strict=True):
        more = dict(zip(names, each, strict=False))
        tally.add_label(name, truth, predicted, right, probability=share, probability_of_truth=right, **more)


def _example(saved: SavedRun, split: Augmented, tally: Tally, at: int) -> Example:
    name = tally.rows[at]["name"]  # where samples were skipped, positions differ from the split's
    sample = checked(split[0, at if split.skipped is None else list(split.samples.names).index(name)])
    name, image, classes = str(sample["name"]), displayed(sample["image"]), tally.classes
    if tally.kind != "masks":
        return Example(name, tally.caption(at), image, right=tally.right(at)).thin()
    truth = np.asarray(sample["mask"])
    if classes.ignored is not None:
        truth = np.where(truth == classes.ignore_index, classes.ignored, truth)
    predicted = saved.logits([sample["image"]])[0].max(0).indices.cpu().numpy()
    return Example(name, tally.caption(at), image, truth.astype(np.uint8), predicted.astype(np.uint8)).thin()
