"""Parameter groups with rates by depth, and without weight decay where it does harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from torch import nn

#: Stretches of equal depth into which a network is divided, as many as a ViT-B has blocks.
_STRETCHES: Final = 12


def refine(
    groups: Sequence[Mapping[str, Any]], module: nn.Module, *, layer_decay: float, decay: Literal["all", "weights"]
) -> list[dict[str, Any]]:
    """Split a task's parameter groups by depth and by kind of parameter.

    Depth is the order in which layers are registered, which is their order of use in nearly every network. The rates
    fall geometrically from the last layers to the first (Clark et al., 2020; Bao et al., 2022).

    Args:
        groups: from ``Task.parameter_groups``.
        module: the task.
        layer_decay: factor of the rate from one twelfth of the depth to the one before it, above 0, at most 1.
        decay: ``weights`` sets the weight decay of vectors and scalars (biases, scales of norms) to 0.

    Returns:
        Groups of which each has ``lr_scale`` beside what it had.
    """
    depth = _depths(module)
    refined: dict[tuple[int, int, bool], dict[str, Any]] = {}
    for number, group in enumerate(groups):
        for parameter in group["params"]:
            stretch = depth.get(id(parameter), _STRETCHES - 1) if layer_decay < 1 else _STRETCHES - 1
            spared = decay == "weights" and parameter.dim() < 2
            new = {**group, "params": [], "lr_scale": layer_decay ** (_STRETCHES - 1 - stretch)}
            if spared:
                new["weight_decay"] = 0.0
            refined.setdefault((number, stretch, spared), new)["params"].append(parameter)
    return list(refined.values())


def _depths(module: nn.Module) -> dict[int, int]:
    """Identity of a parameter -> its stretch, 0 for the first layers."""
    layers = [own for part in module.modules() if (own := list(part.parameters(recurse=False)))]
    return {id(parameter): place * _STRETCHES // len(layers) for place, own in enumerate(layers) for parameter in own}
