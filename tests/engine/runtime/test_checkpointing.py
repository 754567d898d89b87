"""Gradient checkpointing: the same training, bit for bit, with fewer activations kept."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from runs import same, train, weights
from torch import nn

from registry.engine.runtime.checkpointing import checkpoint_blocks
from registry.errors import InputError


def kept_bytes(net: nn.Module, images: torch.Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters left out."""
    own, kept = {each.data_ptr() for each in net.parameters()}, {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(images).sum().backward()
    return sum(kept.values())


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "efficientnet_lite0"])
def test_same_gradients_and_statistics_with_less_memory(name: str) -> None:
    size: Any = {"img_size": 64, "drop_rate": 0.1, "proj_drop_rate": 0.1} if name.startswith("vit") else {}
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=4, **size).train()
    less = copy.deepcopy(plain)
    checkpoint_blocks(less)
    less = copy.deepcopy(less)  # as the rehearsal copies a task: the copy has blocks of its own
    images = torch.randn(4, 3, 64, 64)
    torch.manual_seed(1)
    all_of_it = kept_bytes(plain, images)
    torch.manual_seed(1)
    assert kept_bytes(less, images) < 0.6 * all_of_it
    assert same(plain.state_dict(), less.state_dict())
    for one, other in zip(plain.parameters(), less.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None and torch.equal(one.grad, other.grad)


def test_run_with_checkpointing_reaches_the_same_weights(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "a")
    train(recipe, tmp_path / "b", "runtime.gradient_checkpointing=true")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_network_without_blocks_is_a_problem() -> None:
    with pytest.raises(InputError, match="has no blocks"):
        checkpoint_blocks(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
