"""The folds of a study as one model, whose probabilities are the mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..recipe.grammar import REPEATED
from ..results import diff
from ..results.runs import read_if_done, read_object
from .records.run_folder import RunFolder
from .train.saved_run import SavedRun


class Ensemble(nn.Module):
    """Several networks as one.

    Args:
        models: images (B, C, H, W) -> logits of one shape, (B, classes) or (B, classes, h, w).
        several: whether an image may have several classes, each with a probability of its own.
    """

    def __init__(self, models: Sequence[nn.Module], *, several: bool) -> None:
        super().__init__()
        self.models, self.several = nn.ModuleList(models), several

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32, whose probabilities are the mean of the models' probabilities."""
        total: Tensor | None = None
        for model in self.models:
            logits = model(images).float()
            seen = logits.sigmoid() if self.several else logits.softmax(1)
            total = seen if total is None else total.add_(seen)
        assert total is not None
        mean = total.div_(len(self.models))
        # The smallest normal number: a probability of 0 has a logarithm that a loss can bear.
        return mean.logit(1e-7) if self.several else mean.clamp_min(torch.finfo(mean.dtype).tiny).log()


def find_folds(path: Path) -> list[Path]:
    """The runs of a study's folds, by name; none where the folder, or what the pattern matches, has no folds.

    Args:
        path: a study's folder, or a pattern of run folders in it (``STUDY/lr=0.1_*``).

    Raises:
        InputError: the folds are of several settings, or some are missing or not finished.
    """
    entries = path.iterdir() if path.is_dir() else path.parent.glob(path.name)
    plans = {entry: read_object(entry / "plan.json") for entry in sorted(entries) if (entry / "plan.json").is_file()}
    plans = {run: plan for run, plan in plans.items() if (plan.get("split") or {}).get("fold") is not None}
    if not plans:
        return []
    differing = diff.differing(list(plans.values()))
    # Weights may be those of each fold's own pre-training.
    others = [name for name in differing if name not in REPEATED and not name.endswith(".weights")]
    if others:
        first = next(iter(plans))
        pattern = first.with_name(first.name.partition("fold=")[0] + "*")
        hint = f"name those of one setting with a pattern in quotes, such as '{pattern}'"
        raise InputError.of(str(path), f"has folds of several settings, which differ in {', '.join(others[:5])}", hint)
    number = next(iter(plans.values()))["split"]["folds"]
    for seed in dict.fromkeys(plan["seed"] for plan in plans.values()):
        done = [plan["split"]["fold"] for run, plan in plans.items() if plan["seed"] == seed and read_if_done(run)]
        if lacking := sorted(set(range(1, number + 1)) - set(done)):
            message = f"lacks {len(lacking)} of {number} folds: {', '.join(map(str, lacking))}"
            raise InputError.of(str(path), message, "the command that trained the others trains these, too")
    return list(plans)


def as_one(runs: Sequence[SavedRun], path: Path) -> SavedRun:
    """Opened folds as one run that predicts the mean of their probabilities; the first one's task is changed.

    Args:
        runs: of one setting.
        path: what the whole is called.
    """
    first = runs[0]
    first.task.model = Ensemble([run.task.model for run in runs], several=first.task.threshold is not None)
    notes = [note for run in runs for note in run.notes]
    notes.append(f"the probabilities are the mean of those of {len(runs)} folds")
    epoch = max(run.epoch for run in runs)
    return replace(first, folder=RunFolder(path), epoch=epoch, notes=tuple(dict.fromkeys(notes)))
