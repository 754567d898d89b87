"""A run opened again, finished or not: plan, network with the weights of a checkpoint, facts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from ...catalog.registry import Registry
from ...errors import InputError
from ...recipe.load import load
from ...recipe.plan import Plan
from ...recipe.planner import make_plan
from ..build import build, build_transform
from ..data.preprocess import Preprocessor, collate
from ..network.contract import normalization_of
from ..records import checkpoints
from ..records.run_folder import RunFolder
from ..runtime import autotune
from ..runtime.device import DTYPES, LAYOUTS, Runtime, device_for, open_runtime
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

    def logits(self, images: list[Any]) -> Tensor:
        """The model's logits, float32 on the device, of images of one size, uint8 (H, W, 3)."""
        batch = collate([{"index": 0, "name": "", "image": image} for image in images])
        with torch.inference_mode(), self.runtime.autocast():
            return self.task.model(self.preprocess(batch)["image"]).float()  # type: ignore[no-any-return]


def open_run(path: Path, *, checkpoint: Literal["best", "last"] = "best", device: Device = "auto") -> SavedRun:
    """Open a run folder.

    Args:
        path: the run folder.
        checkpoint: ``best``, or ``last`` for the newest weights; a run without scores has only the last.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: it is not a run folder, or has no checkpoint yet.
        BrokenCheckpoint: the checkpoint is damaged.
        PluginError: a plugin of the run fails now.
    """
    folder = RunFolder(path)
    _require_run(path)
    file = folder.best if checkpoint == "best" and folder.best.is_file() else folder.last
    if not file.is_file():
        raise InputError.of(str(path), "has no checkpoint yet", "wait for its first epoch to end")
    state = checkpoints.load(file)
    plan, task, facts = open_task(path)
    plan = replace(plan, runtime=replace(plan.runtime, device=device))
    task.load_state_dict(checkpoints.evaluated_weights(state))
    task.to(device_for(device)).eval()
    runtime = open_runtime(plan.runtime, *_setting(plan, task, state, facts))
    task.to(memory_format=runtime.layout)
    preprocess = Preprocessor(*normalization_of(task), runtime.device, runtime.layout)
    transform = build_transform(plan.augment.get("eval", []), facts)
    recorded, epoch = folder.read_json("plan.json"), checkpoints.epoch_of(state)
    return SavedRun(folder, plan, task, facts, runtime, preprocess, transform, epoch, recorded)


def open_task(path: Path) -> tuple[Plan, Task, dict[str, Any]]:
    """The plan of a run folder, its task with random weights, and the facts of its data."""
    plan = make_plan(load(path / "recipe.yaml"), Registry())
    plan = replace(plan, trainer=plan.trainer.without_start())
    known = RunFolder(path).read_json("environment.json").get("facts")
    if not isinstance(known, dict):
        raise InputError.of(str(path / "environment.json"), "is damaged: it does not hold the facts of the data")
    facts = {**known, "class_counts": lambda: [1] * known.get("num_classes", 0)}
    return plan, build(plan.trainer, facts), facts


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
        raise InputError.of(str(path), "does not exist", "name a run folder, such as runs/RECIPE/DATE")
    inside = sorted((plan.parent for plan in path.glob("**/plan.json")), key=lambda run: run.stat().st_mtime)
    hint = f"the newest run in it is {inside[-1]}" if inside else "name a run folder, such as runs/RECIPE/DATE"
    raise InputError.of(str(path), "is not a run folder", hint)
