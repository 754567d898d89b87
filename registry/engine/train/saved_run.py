"""A run opened again, finished or not: plan, network with the weights of a checkpoint, facts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from ...catalog.registry import Registry
from ...errors import RUN_HINT, InputError
from ...recipe.load import Recipe, load
from ...recipe.plan import Plan
from ...recipe.planner import make_plan
from ...recipe.yaml import BROKEN, Location, Node, parse
from ..build import build, build_transform
from ..data.preprocess import Preprocessor, collate
from ..network.contract import normalization_of
from ..records import checkpoints
from ..records.checkpoints import LAST
from ..records.run_folder import RunFolder
from ..runtime import autotune
from ..runtime.device import DTYPES, LAYOUTS, Runtime, device_for, open_runtime
from .state import fitting
from .task import Task

#: Pixels of a batch with which the layout is measured.
_MEASURED_PIXELS: Final = 512 * 512

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class SavedRun:
    """A run that can predict.

    Attributes:
        folder: the run folder.
        plan: of the training, without its starting weights.
        task: with the checkpoint's weights, on the device, in evaluation mode.
        facts: of the training's data set: ``num_classes``, ``class_names``, ``class_colors``, ``ignore_index``, ...
        runtime: device, and precision and layout of the training.
        preprocess: a collated uint8 batch -> the batch that the network gets.
        transform: the evaluation augmentations, an albumentations ``Compose``; None without any.
        epoch: after which the weights were saved.
        recorded: ``plan.json``, as the training wrote it.
        notes: what a reader of its results should know about the weights.
    """

    folder: RunFolder
    plan: Plan
    task: Task
    facts: Mapping[str, Any]
    runtime: Runtime
    preprocess: Preprocessor
    transform: Any | None
    epoch: int
    recorded: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def logits(self, images: list[Any]) -> Tensor:
        """The model's logits, float32 on the device, of images of one size, uint8 (H, W, 3)."""
        batch = collate([{"index": 0, "name": "", "image": image} for image in images])
        with torch.inference_mode(), self.runtime.autocast():
            return self.task.model(self.preprocess(batch)["image"]).float()  # type: ignore[no-any-return]


def open_run(path: Path, *, checkpoint: str = "best", device: Device = "auto") -> SavedRun:
    """Open a run folder, also that of a run in progress.

    Args:
        path: the run folder; the checkpoint in it is enough.
        checkpoint: ``best``, ``last``, ``previous``, or the number of a kept epoch. A run without scores has no best
            weights: the last ones are taken, with a note.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: it is not a run folder, or does not have the checkpoint.
        BrokenCheckpoint: the checkpoint is damaged, or of another network.
        PluginError: a plugin of the run fails now.
    """
    folder = RunFolder(path)
    file, state, notes = _read(folder, checkpoint)
    plan, task, facts = _opened(*_described(folder, state))
    plan = replace(plan, runtime=replace(plan.runtime, device=device))
    with fitting(file):
        task.load_state_dict(checkpoints.evaluated_weights(state))
    task.to(device_for(device)).eval()
    runtime = open_runtime(plan.runtime, *_setting(plan, task, state, facts))
    task.to(memory_format=runtime.layout)
    preprocess = Preprocessor.of(facts, normalization_of(task), runtime.device, runtime.layout)
    transform = build_transform(plan.augment.get("eval", []), facts)
    whole = (folder.path / "plan.json").is_file()
    recorded = folder.read_json("plan.json") if whole else plan.as_json()
    epoch = checkpoints.epoch_of(state)
    return SavedRun(folder, plan, task, facts, runtime, preprocess, transform, epoch, recorded, notes)


def open_task(path: Path) -> tuple[Plan, Task, dict[str, Any]]:
    """The plan of a run folder, its task with random weights, and the facts of its data."""
    return _opened(*_described(RunFolder(path), {}))


def _opened(known: dict[str, Any], recipe: Recipe) -> tuple[Plan, Task, dict[str, Any]]:
    plan = make_plan(recipe, Registry())
    plan = replace(plan, trainer=plan.trainer.without_start())
    facts = {**known, "class_counts": lambda: [1] * known.get("num_classes", 0)}
    return plan, build(plan.trainer, facts), facts


def _read(folder: RunFolder, which: str) -> tuple[Path, dict[str, Any], tuple[str, ...]]:
    """The file of a checkpoint, its content, and a note where it is not the one that was asked for."""
    file, notes = checkpoints.named(folder.checkpoints, which), tuple[str, ...]()
    if not file.is_file():
        _require_run(folder.path)
        if not folder.checkpoints.is_dir() or not any(folder.checkpoints.glob("*.pt")):
            raise InputError.of(str(folder.path), "has no checkpoint yet", "wait for its first epoch to end")
        unscored = which == "best" and folder.last.is_file()
        if not unscored or checkpoints.load(folder.last)["position"]["best_epoch"]:
            raise InputError.of(str(file), "is missing", checkpoints.instead_of(file))
        file, notes = folder.last, (f"no epoch of this run has a score yet: the weights are those of {LAST}",)
    try:
        return file, checkpoints.load(file), notes
    except checkpoints.BrokenCheckpoint as broken:
        broken.hint = checkpoints.instead_of(file) or broken.hint
        raise


def _described(folder: RunFolder, state: Mapping[str, Any]) -> tuple[dict[str, Any], Recipe]:
    """The facts of the data and the recipe: of the folder's files, or as the checkpoint carries them."""
    facts, recipe, text = state.get("facts"), folder.path / "recipe.yaml", state.get("recipe")
    if (folder.path / "environment.json").is_file():
        facts = folder.read_json("environment.json").get("facts")
    if not isinstance(facts, dict):
        raise InputError.of(str(folder.path / "environment.json"), "is damaged: it does not hold the facts of the data")
    if recipe.is_file() or not isinstance(text, str):
        return facts, load(recipe)
    root, problems = parse(text, str(recipe))
    return facts, Recipe(recipe, root or Node(BROKEN, Location(str(recipe), None)), problems)


def _setting(plan: Plan, task: Task, state: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, str, str]:
    """Precision, memory format and the reason: the training's precision where the device has it, the faster layout."""
    device = next(task.parameters()).device
    precision, memory_format = state["precision"], plan.runtime.memory_format
    reduced = device.type == "cuda" or (precision == "bf16" and autotune.has_bf16_units(device))
    if precision != "fp32" and plan.runtime.precision == "auto" and not reduced:
        precision = "fp32"
    sizes, network = facts.get("image_sizes", {}), getattr(task, "model", None)
    size = sizes.get("val") or sizes.get("train")
    if memory_format != "auto" or size is None or network is None:
        return precision, state["memory_format"], "as in the training"
    images = torch.zeros(max(1, min(8, _MEASURED_PIXELS // (size[0] * size[1]))), facts.get("in_channels", 3), *size)

    def forward(model: Any, setting: autotune.Setting) -> None:
        batch = images.to(device).contiguous(memory_format=LAYOUTS[setting.memory_format])
        with torch.inference_mode(), torch.autocast(device.type, DTYPES.get(precision), enabled=precision != "fp32"):
            model(batch)

    settings = autotune.candidates(device, precision, "auto")
    identity = [plan.trainer.as_json(), tuple(images.shape), "forward"]
    chosen, reason = autotune.choose(network, settings, forward, identity=identity, device=device)
    return *chosen, reason


def _require_run(path: Path) -> None:
    if (path / "plan.json").is_file() and (path / "environment.json").is_file():
        return
    if not path.exists():
        raise InputError.of(str(path), "does not exist", RUN_HINT)
    inside = sorted((plan.parent for plan in path.glob("**/plan.json")), key=lambda run: run.stat().st_mtime)
    hint = f"the newest run in it is {inside[-1]}" if inside else RUN_HINT
    raise InputError.of(str(path), "is not a run folder", hint)
