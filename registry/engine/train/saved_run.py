"""A finished run opened again: its plan, its network with the best weights, and what it knew of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ...catalog.kinds import NETWORKS, WITHOUT_START
from ...catalog.registry import Registry
from ...errors import InputError
from ...recipe.load import load
from ...recipe.plan import ComponentPlan, Plan
from ...recipe.planner import make_plan
from ..build import build, build_transform
from ..data.loader import collate, to_device
from ..network.contract import normalization_of
from ..records import checkpoints
from ..records.run_folder import RunFolder
from .runtime import Runtime, device_for, open_runtime
from .task import Task

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class SavedRun:
    """A run that can predict.

    Attributes:
        folder: the run folder.
        plan: what was trained, without the weights that it started from.
        task: with the checkpoint's weights, on the device, in evaluation mode.
        facts: what the data set told: ``num_classes``, ``class_names``, ``class_colors``, ``ignore_index``, ...
        runtime: device, and precision and layout of the training.
        normalization: mean and std, each (1, C, 1, 1) on the device.
        transform: the evaluation augmentations, an albumentations ``Compose``; None without any.
        epoch: after which the weights were saved.
    """

    folder: RunFolder
    plan: Plan
    task: Task
    facts: Mapping[str, Any]
    runtime: Runtime
    normalization: tuple[Tensor, Tensor]
    transform: Any | None
    epoch: int

    def prepared(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A collated uint8 batch on the device, normalised."""
        return to_device(batch, self.runtime.device, *self.normalization, self.runtime.layout)

    def logits(self, images: list[Any]) -> Tensor:
        """The model's logits, float32 on the device, of images of one size, uint8 (H, W, 3)."""
        batch = collate([{"index": 0, "name": "", "image": image} for image in images])
        with torch.inference_mode(), self.runtime.autocast():
            return self.task.model(self.prepared(batch)["image"]).float()  # type: ignore[no-any-return]


def open_run(path: Path, *, checkpoint: Literal["best", "last"] = "best", device: Device = "auto") -> SavedRun:
    """Open a run folder.

    Args:
        path: the run folder.
        checkpoint: ``best``, or ``last`` for the newest weights; a run without scores has only the last.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: it is no run folder, or has no such checkpoint.
        BrokenCheckpoint: the checkpoint is damaged.
        PluginError: a plugin of the run fails now.
    """
    folder = RunFolder(path)
    _require_run(path)
    file = folder.best if checkpoint == "best" and folder.best.is_file() else folder.last
    if not file.is_file():
        raise InputError.of(str(path), "has no checkpoint yet", "wait for its first epoch to end")
    state = checkpoints.load(file)
    environment, summary = (folder.read_json(name) for name in ("environment.json", "summary.json"))
    plan = make_plan(load(path / "recipe.yaml"), Registry())
    plan = replace(plan, trainer=_without_start(plan.trainer), runtime=replace(plan.runtime, device=device))
    facts = {**environment["facts"], "class_counts": lambda: [1] * environment["facts"].get("num_classes", 0)}
    task: Task = build(plan.trainer, facts)
    task.load_state_dict(state["task"])
    runtime = open_runtime(plan.runtime, summary["precision"], summary["memory_format"], "as in the training")
    task.to(runtime.device).to(memory_format=runtime.layout).eval()
    mean, std = (torch.tensor(v, device=device_for(device)).view(1, -1, 1, 1) for v in normalization_of(task))
    transform = build_transform(plan.augment.get("eval", []), facts)
    epoch = state["epoch"] if "epoch" in state else state["position"]["epoch"] - 1
    return SavedRun(folder, plan, task, facts, runtime, (mean, std), transform, epoch)


def _require_run(path: Path) -> None:
    if (path / "plan.json").is_file() and (path / "summary.json").is_file():
        return
    if not path.exists():
        raise InputError.of(str(path), "is not there", "name a run folder, such as runs/RECIPE/DATE")
    inside = sorted((plan.parent for plan in path.glob("**/plan.json")), key=lambda run: run.stat().st_mtime)
    hint = f"the newest run in it is {inside[-1]}" if inside else "name a run folder, such as runs/RECIPE/DATE"
    raise InputError.of(str(path), "is no run folder, or its run has not ended an epoch", hint)


def _without_start(plan: ComponentPlan) -> ComponentPlan:
    """The plan of a component whose networks start from random weights: a checkpoint is about to replace them."""
    arguments = {name: _stripped(value) for name, value in plan.arguments.items()}
    if plan.component.kind in NETWORKS:
        arguments |= {p.name: WITHOUT_START[p.name] for p in plan.spec.parameters if p.name in WITHOUT_START}
    return replace(plan, arguments=arguments)


def _stripped(value: Any) -> Any:
    if isinstance(value, ComponentPlan):
        return _without_start(value)
    return [_stripped(item) for item in value] if isinstance(value, list) else value
