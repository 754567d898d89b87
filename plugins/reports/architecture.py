"""What a network consists of: its modules with the sizes of their outputs, parameters, and operations for an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from registry.engine import Run

from .pictures import write_table

#: Names in a table at most: deeper modules are shown while there are no more.
_ROWS = 40


class Architecture:
    """See the spec ``architecture``."""

    def __init__(self) -> None:
        self.at: list[int | str] = ["first"]

    def __call__(self, run: Run, epoch: int) -> None:
        sample = run.train[1, 0]
        image = torch.from_numpy(sample["views"][0] if "views" in sample else sample["image"]).permute(2, 0, 1)
        images = run.preprocess({"image": image[None].contiguous()})["image"]
        rows, facts = summary(run.task.model, images)
        folder = run.folder.figures / "architecture"
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "modules.csv", [["module", "kind", "output", "parameters"], *rows])
        (folder / "summary.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def summary(model: nn.Module, images: Tensor) -> tuple[list[list[Any]], dict[str, Any]]:
    """The modules of a network in the order of their definition, and facts of the whole.

    Args:
        model: unchanged; used in evaluation mode.
        images: (1, C, H, W), normalised, on the model's device.

    Returns:
        Rows of name, class, size of the output (empty of one that is not called), parameters, as deep as 40 rows
        allow; and ``network``, ``input``, ``parameters``, ``gflop`` (10^9 operations of a forward pass; a
        multiplication and its addition are two).
    """
    sizes: dict[str, str] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            last = output[-1] if isinstance(output, (list, tuple)) and output else output
            sizes[name] = "x".join(map(str, last.shape[1:])) if isinstance(last, Tensor) else ""

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(images)
    finally:
        for each in hooks:
            each.remove()
        for module, mode in modes:
            module.training = mode
    depths = (list(_modules(model, depth)) for depth in (4, 3, 2))
    shown = next((found for found in depths if len(found) <= _ROWS), list(_modules(model, 1)))
    rows = [[name, type(each).__name__, sizes.get(name, ""), _parameters(each)] for name, each in shown]
    size = "x".join(map(str, images.shape[1:]))
    facts = {"network": type(model).__name__, "input": size, "parameters": _parameters(model)}
    return rows, {**facts, "gflop": counter.get_total_flops() / 1e9}


def _modules(parent: nn.Module, depth: int, above: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules down to a depth: those that have parameters of their own, or none below."""
    for name, each in parent.named_children():
        if depth > 1 and list(each.children()) and not list(each.parameters(recurse=False)):
            yield from _modules(each, depth - 1, f"{above}{name}.")
        elif not isinstance(each, nn.Identity):
            yield f"{above}{name}", each


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
