"""Specs of low-rank adapters for backbones and models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from registry import Backbone, Count, InputError, Model, Probability, preflighted_by

if TYPE_CHECKING:
    from torch import nn

_QKV = ["qkv"]


def _require_peft(arguments: Mapping[str, Any] | None = None) -> None:
    if find_spec("peft") is None:
        raise InputError.of("use", "lora needs the library peft", "pip install 'hw1cli[peft]'")


@preflighted_by(_require_peft)
def lora_backbone(
    *,
    backbone: Backbone,
    rank: Count = 8,
    alpha: Count = 16,
    dropout: Probability = 0.0,
    targets: list[str] = _QKV,
) -> nn.Module:
    """A transformer as a backbone that learns through low-rank adapters alone (LoRA: Hu et al., 2022).

    Args:
        backbone: what is adapted; give its `weights` or `pretrained` to it. All of them stay frozen.
        rank: of the update of a layer's weight matrix.
        alpha: the update is scaled by alpha / rank.
        dropout: of an adapter's input.
        targets: last parts of the names of the layers to adapt: timm's transformers have qkv, proj, fc1 and fc2.
    """
    _require_peft()
    from .lora import adapted

    return adapted(backbone, rank, alpha, dropout, targets, path="backbone")


@preflighted_by(_require_peft)
def lora_model(
    *,
    model: Model,
    rank: Count = 8,
    alpha: Count = 16,
    dropout: Probability = 0.0,
    targets: list[str] = _QKV,
) -> nn.Module:
    """A transformer classifier that learns through low-rank adapters and its last layer (LoRA: Hu et al., 2022).

    Args:
        model: what is adapted; give its `weights` or `pretrained` to it. Its last linear layer learns as well.
        rank: of the update of a layer's weight matrix.
        alpha: the update is scaled by alpha / rank.
        dropout: of an adapter's input.
        targets: last parts of the names of the layers to adapt: timm's transformers have qkv, proj, fc1 and fc2.
    """
    _require_peft()
    from .lora import adapted

    return adapted(model, rank, alpha, dropout, targets, path="model", keeps_head=True)
