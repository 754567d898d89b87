"""A run in progress: what the loop and the reports share, and what a checkpoint holds of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...recipe.plan import Plan
from ..console import Console
from ..data.augmented import Augmented
from ..data.loader import EpochOrder
from ..data.preprocess import Preprocessor, checked, collate
from ..data.skipping import SkippedSamples
from ..records.checkpoints import CheckpointWriter
from ..records.run_folder import RunFolder
from ..records.trackers import Trackers
from ..runtime import processes
from ..runtime.device import Runtime
from .ema import WeightAverage
from .features import Outputs, outputs_of
from .task import Task


@dataclass
class Position:
    """How far a run has come: everything that a resumed run must know besides the weights.

    Attributes:
        epoch: the epoch in progress, 1-based.
        batch: batches of it that are done.
        step: optimizer steps done in all.
        sums, images, epoch_seconds: the epoch's training figures so far (``loss`` among them), summed over images,
            their number, and the time spent in training steps.
        best_score, best_epoch: of the monitored score; None and 0 before the first evaluation that gives a finite one.
        stale: evaluations since the best one, those without a finite score left out.
        start: ``start/<score>``, the monitored score before the first step, of a task that ``measures_start``.
        seconds, images_seen: spent in training steps, and images trained on, in all finished epochs.
        wall_seconds: spent in all, evaluation and figures included.
        skipped_steps, skipped_in_a_row: steps left out since their loss or gradients were NaN or infinite.
        part: images of a training batch that are computed at a time, since more do not fit into memory; 0 for all.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    images: int = 0
    epoch_seconds: float = 0.0
    best_score: float | None = None
    best_epoch: int = 0
    stale: int = 0
    start: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    images_seen: int = 0
    wall_seconds: float = 0.0
    skipped_steps: int = 0
    skipped_in_a_row: int = 0
    part: int = 0

    def next_epoch(self) -> None:
        """Step to the start of the next epoch."""
        self.epoch += 1
        self.batch, self.sums, self.images, self.epoch_seconds = 0, {}, 0, 0.0


#: Decides after an evaluation whether a run goes on.
Watch = Callable[["Run", float], bool]


@dataclass
class Run:
    """A run in progress, also what a report is given.

    Attributes:
        plan: the checked recipe.
        folder: where the run writes.
        facts: of the data set: ``num_classes``, ``class_names``, ``class_colors``, ``ignore_index``.
        runtime: device, precision, layout.
        task: the computation, unwrapped.
        train, val: the splits with their augmentations; ``val`` may be None.
        loaders: what an evaluation walks over, by split.
        preprocess: a loader's batch -> the batch that the task gets.
        checkpoints: writes them in the background.
        position: how far it has come.
        description: the ``recipe`` as text and the ``facts`` in plain values, which every checkpoint carries.
        caveats: what a reader of its scores should know, in sentences.
        failures: reports and trackers that failed, in words.
        skipped: samples that could not be read.
        watch: called with the run and its monitored score after every evaluation; False ends it early.
        pruned: whether that ended it before its last epoch.
    """

    plan: Plan
    folder: RunFolder
    facts: Mapping[str, Any]
    runtime: Runtime
    task: Task
    train: Augmented
    val: Augmented | None
    preprocess: Preprocessor
    console: Console
    trackers: Trackers
    loaders: Mapping[str, DataLoader[Any]] = field(default_factory=dict)
    checkpoints: CheckpointWriter = field(default_factory=CheckpointWriter)
    position: Position = field(default_factory=Position)
    description: Mapping[str, Any] = field(default_factory=dict)
    caveats: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: SkippedSamples = field(default_factory=lambda: SkippedSamples(0))
    watch: Watch = lambda run, score: True
    pruned: bool = False
    _outputs: tuple[int, Outputs] | None = None

    @property
    def name(self) -> str:
        """What the run is called in figures: the recipe's name."""
        return self.plan.recipe.name

    @property
    def epochs(self) -> int:
        return self.plan.loop.epochs

    @property
    def monitored(self) -> str:
        """The column that chooses the best checkpoint."""
        return "val_loss" if self.task.monitor == "loss" else self.task.monitor

    def add_caveat(self, text: str) -> None:
        """Show and record a caveat, once."""
        if text not in self.caveats:
            self.caveats.append(text)
            self.console.note(text)

    def add_failure(self, text: str, error: BaseException) -> None:
        """Record that a report or a tracker failed; training goes on, since it may be worth days."""
        self.failures.append(text)
        self.console.note(text)
        self.console.log("".join(traceback.format_exception(error)))

    def evaluation_sample(self, index: int) -> dict[str, Any]:
        """A sample of the evaluation split after the evaluation augmentations, uint8.

        Raises:
            ValueError: there is no evaluation split.
        """
        if self.val is None:
            raise ValueError("this run has no evaluation split")
        return checked(self.val[(0, index)])

    def evaluation_names(self) -> list[str]:
        """The names of the evaluation split's samples, in order."""
        return [] if self.val is None else list(self.val.samples.names)

    def input_sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of the first image that the network is given of each split, augmentations applied."""
        first = {"train": self.train[1, 0], "val": self.val[0, 0] if self.val is not None and len(self.val) else {}}
        images = {name: each["views"][0] if "views" in each else each.get("image") for name, each in first.items()}
        return {name: image.shape[:2] for name, image in images.items() if image is not None}

    def input_line(self) -> str:
        """Size and normalisation of the images, and the size that the network's weights were made for."""
        sample = self.train[1, 0]
        images = sample["views"] if "views" in sample else [sample["image"]] if "image" in sample else []
        sizes = ", ".join(dict.fromkeys(f"{image.shape[1]}x{image.shape[0]}" for image in images))
        statistics = (self.preprocess.mean, self.preprocess.std)
        mean, std = (", ".join(f"{value:.3f}" for value in values) for values in statistics)
        line = f"images of {sizes or 'unknown size'}, mean ({mean}), std ({std})"
        own = next((size for part in self.task.modules() if (size := getattr(part, "input_size", None))), None)
        return f"{line}; the network's own size is {own[2]}x{own[1]}" if own else line

    def outputs(self) -> Outputs:
        """The model's outputs for the whole evaluation split; computed once for each state of the weights.

        Raises:
            InputError: there is no evaluation split, or its samples have no labels.
        """
        if self._outputs is None or self._outputs[0] != self.position.step:
            processes.from_first(lambda: True)  # the others compute their part in follow_reports
            outputs = outputs_of(self.task, self.loaders.get("val"), self.preprocess, self.runtime)
            self._outputs = (self.position.step, outputs)
        return self._outputs[1]

    def follow_reports(self) -> None:
        """While the first process draws reports: compute this process's part of the outputs that it asks for."""
        while processes.from_first(lambda: False):
            outputs_of(self.task, self.loaders.get("val"), self.preprocess, self.runtime)

    def end_reports(self) -> None:
        """The reports of an epoch are drawn: the other processes go on."""
        processes.from_first(lambda: False)

    def predict(self, samples: Sequence[Mapping[str, Any]]) -> list[Tensor]:
        """The model's logits for samples, one by one, as float32 on the CPU: (classes,) or (classes, H, W)."""
        was_training = self.task.training
        self.task.eval()
        outputs = []
        with torch.inference_mode(), self.runtime.autocast():
            for sample in samples:
                batch = self.preprocess(collate([{"index": 0, "name": "", **sample}]))
                outputs.append(self.task.model(batch["image"])[0].float().cpu())
        self.task.train(was_training)
        return outputs


@dataclass
class Learning:
    """What changes the weights.

    Attributes:
        task, optimizer: as Fabric wrapped them; ``optimizer`` is None where nothing learns, and epochs only evaluate.
        schedule: optimizer step -> factor of the learning rate.
        train_loader, train_order: training batches, and the sampler that orders them.
        reports: in the plan's order.
        saved: when the last checkpoint was taken, in seconds of the monotonic clock.
        average: follows the weights and takes their place in evaluations, reports and ``best.pt``.
        begin_epoch: called with each epoch after the task is set to training; freezes what does not learn in it.
    """

    task: Any
    optimizer: Any
    schedule: Callable[[int], float]
    train_loader: DataLoader[Any]
    train_order: EpochOrder
    reports: Sequence[Any]
    average: WeightAverage | None = None
    begin_epoch: Callable[[int], None] = lambda epoch: None
    saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        groups = self.optimizer.param_groups if self.optimizer is not None else []
        self.base_rates = [group["lr"] * group.get("lr_scale", 1.0) for group in groups]
