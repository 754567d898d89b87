"""How large a timm model is: built without memory for its weights, on PyTorch's meta device."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from .modules import TimmBackbone, TimmClassifier


def measure(kind: Literal["backbones", "models"], name: str, num_classes: int) -> dict[str, Any]:
    """The size of a model as it is built when a recipe says nothing but its name; plain JSON.

    Args:
        kind: as a backbone, or as a classifier.
        name: architecture, or ``architecture.tag``.
        num_classes: outputs of the classifier.

    Returns:
        `parameters`, their number; of a backbone also `channels` and `strides` of its maps.

    Raises:
        InputError: timm cannot build it so.
    """
    with torch.device("meta"):
        if kind == "models":
            return {"parameters": _count(TimmClassifier(name, num_classes=num_classes))}
        net = TimmBackbone(name)
    return {"parameters": _count(net), "channels": list(net.channels), "strides": list(net.strides)}


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())
