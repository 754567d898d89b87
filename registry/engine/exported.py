"""An exported file opened again: it takes the place of the run's model, and everything around it stays the same."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ..catalog.registry import Registry
from ..errors import InputError
from ..recipe.load import Recipe
from ..recipe.plan import Plan
from ..recipe.planner import make_plan
from ..recipe.yaml import as_node
from .build import build, build_transform
from .data.preprocess import Preprocessor
from .ensemble import as_one, find_folds
from .records.run_folder import RunFolder
from .runtime.device import device_for, open_runtime
from .train.saved_run import Device, SavedRun, open_run
from .train.task import Task

#: What an exported file ends in.
SUFFIXES: Final = (".onnx", ".pt2", ".safetensors")
#: Where a file keeps what the framework needs to know of it: ONNX' and safetensors' metadata, a file inside a .pt2.
CARD: Final = "hw1cli"


def open_model(path: Path, *, checkpoint: str = "best", device: Device = "auto") -> SavedRun:
    """Open a run folder, a study's folder with folds, or a file that ``hw1cli export`` has written.

    Raises:
        InputError: it is another kind of file, or a library that reads the file is not installed.
        BrokenCheckpoint, PluginError: see ``open_run``.
    """
    if not path.is_file():
        folds = find_folds(path)
        opened = [open_run(run, checkpoint=checkpoint, device=device) for run in folds or [path]]
        return as_one(opened, path) if folds else opened[0]
    if path.suffix not in SUFFIXES:
        message = f"is a file, expected a run folder or a file that ends in {', '.join(SUFFIXES)}"
        raise InputError.of(str(path), message, "hw1cli export RUN --to onnx --out FILE writes one")
    card = read_card(path)
    plan = make_plan(Recipe.of(as_node(card["recipe"])), Registry())
    plan = replace(plan, trainer=plan.trainer.without_start(), runtime=replace(plan.runtime, device=device))
    facts = {**card["facts"], "class_counts": lambda: [1] * card["facts"]["num_classes"]}
    runtime = open_runtime(plan.runtime, "fp32", "contiguous", "as exported")
    task: Task
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        task = build(plan.trainer, facts)
        task.model.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    else:
        model = _Exported(path, card, runtime.device)
        task = _with_model(plan, facts, model)
    task.to(device_for(device)).eval()
    preprocess = Preprocessor(card["mean"], card["std"], runtime.device, runtime.layout)
    transform = build_transform(plan.augment.get("eval", []), facts)
    return SavedRun(RunFolder(path), plan, task, facts, runtime, preprocess, transform, card["epoch"], card["plan"])


def _with_model(plan: Plan, facts: Mapping[str, Any], model: nn.Module) -> Task:
    """The task of a plan around a model that exists already."""
    arguments = plan.trainer.arguments
    if "model" in arguments:
        task: Task = build(replace(plan.trainer, arguments={**arguments, "model": model}), facts)
        return task
    task = build(plan.trainer, facts)
    task.model = model
    return task


def read_card(path: Path) -> dict[str, Any]:
    """What an exported file records of its run: ``recipe``, ``plan``, ``facts``, ``mean``, ``std``, ``epoch``, ...

    Raises:
        InputError: another program has written the file, or the library that reads it is not installed.
    """
    text: str | None
    try:
        if path.suffix == ".onnx":
            text = _session(path, torch.device("cpu")).get_modelmeta().custom_metadata_map.get(CARD)
        elif path.suffix == ".pt2":
            if not zipfile.is_zipfile(path):  # torch would log a traceback
                raise ValueError("it is not an archive")
            inside = {f"{CARD}.json": ""}
            torch.export.load(path, extra_files=inside)
            text = inside[f"{CARD}.json"]
        else:
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                text = (file.metadata() or {}).get(CARD)
    except InputError:
        raise
    except Exception as error:  # each library has exceptions of its own for a damaged file
        raise InputError.of(str(path), f"cannot be read: {str(error).partition(chr(10))[0]}") from error
    if not text:
        raise InputError.of(str(path), "was not written by 'hw1cli export'", "name a file of hw1cli export")
    card: dict[str, Any] = json.loads(text)
    return card


class _Exported(nn.Module):
    """An exported file as the model of a task: normalised images to logits.

    The file takes uint8 images and normalises them itself, so they are turned back into what they were.

    Args:
        path: .onnx or .pt2.
        card: what the file records.
        device: where to compute.
    """

    def __init__(self, path: Path, card: Mapping[str, Any], device: torch.device) -> None:
        super().__init__()
        self._run = _onnx(path, device) if path.suffix == ".onnx" else _program(path, device)
        self.several = card.get("threshold") is not None
        self.mean, self.std = (torch.tensor(card[name], device=device).view(1, -1, 1, 1) for name in ("mean", "std"))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) normalised float -> logits of the probabilities (B, classes) or (B, classes, H, W)."""
        pixels = images.float().mul(self.std).add(self.mean).mul(255).round().clamp(0, 255).to(torch.uint8)
        probabilities: Tensor = self._run(pixels.permute(0, 2, 3, 1).contiguous())
        # The smallest normal number: a probability of 0 has a logarithm that a loss can bear.
        return probabilities.logit(1e-7) if self.several else probabilities.clamp_min(1e-38).log()


def _onnx(path: Path, device: torch.device) -> Any:
    session = _session(path, device)

    def run(images: Tensor) -> Tensor:
        found = session.run(["probabilities"], {"images": images.cpu().numpy()})[0]
        return torch.from_numpy(np.asarray(found)).to(images.device)

    return run


def _program(path: Path, device: torch.device) -> Any:
    module = torch.export.load(path).module(check_guards=False).to(device)
    return lambda images: module(images)[0]


def _session(path: Path, device: torch.device) -> Any:
    """A session of onnxruntime; on a GPU where its build for GPUs is installed."""
    onnxruntime = require("onnxruntime", "an .onnx file")
    wanted = ["CUDAExecutionProvider"] * (device.type == "cuda") + ["CPUExecutionProvider"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    present = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(path, options, providers=present)


def require(name: str, purpose: str) -> Any:
    """A library of the extra ``export``.

    Raises:
        InputError: it is not installed.
    """
    if find_spec(name) is None:
        raise InputError.of(purpose, f"needs {name}, which is not installed", "pip install 'hw1cli[export]'")
    return import_module(name)
