"""Parameter groups with rates by depth, and no weight decay for biases and norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from torch import nn

#: Depth groups of a network, as many as a ViT-B has blocks.
_DEPTHS: Final = 12


def refine(
    groups: Sequence[Mapping[str, Any]],
    module: nn.Module,
    *,
    layer_decay: float,
    decay: Literal["all", "weights"],
    lr_factors: Mapping[int, float] | None = None,
) -> list[dict[str, Any]]:
    """Split a task's parameter groups by depth, by kind of parameter and by factors of their own.

    Depth is the order in which layers are registered, which is their order of use in nearly every network. The rates
    fall geometrically from the last layers to the first (Clark et al., 2020; Bao et al., 2022).

    Args:
        groups: from ``Task.parameter_groups``.
        module: the task.
        layer_decay: factor of the learning rate from one depth group to the one before it, in (0, 1].
        decay: ``weights`` sets the weight decay of vectors and scalars (biases, scales of norms) to 0.
        lr_factors: identity of a parameter -> factor of its learning rate; 1 for those that are left out.

    Returns:
        Groups with ``lr_scale`` added to what each had.
    """
    depth = _depths(module)
    refined: dict[tuple[int, int, bool, float], dict[str, Any]] = {}
    for number, group in enumerate(groups):
        for parameter in group["params"]:
            level = depth.get(id(parameter), _DEPTHS - 1) if layer_decay < 1 else _DEPTHS - 1
            undecayed = decay == "weights" and parameter.dim() < 2
            factor = (lr_factors or {}).get(id(parameter), 1.0)
            new = {**group, "params": [], "lr_scale": factor * layer_decay ** (_DEPTHS - 1 - level)}
            if undecayed:
                new["weight_decay"] = 0.0
            refined.setdefault((number, level, undecayed, factor), new)["params"].append(parameter)
    return list(refined.values())


def _depths(module: nn.Module) -> dict[int, int]:
    """Identity of a parameter -> its depth group, 0 for the first layers."""
    layers = [own for part in module.modules() if (own := list(part.parameters(recurse=False)))]
    return {id(parameter): index * _DEPTHS // len(layers) for index, own in enumerate(layers) for parameter in own}
