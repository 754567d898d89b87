"""The linear classifier on any backbone: odd widths, one map, a backbone that stays frozen."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugins.timm_zoo.specs import backbones as timm_backbones
from plugins.torch_basics.specs import classifier
from registry.engine.network.contract import at_rest
from registry.errors import PluginError

IMAGES = torch.randn(6, 3, 48, 48, generator=torch.Generator().manual_seed(5))
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


class Odd(nn.Module):
    """A backbone of odd widths, with everything in it that behaves otherwise in training."""

    def __init__(self, channels: Sequence[int] = (13, 27, 51)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(4 << index for index in range(len(channels)))
        widths = zip((3, *channels), channels, (4, *[2] * len(channels)), strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.ReLU(), nn.Dropout(0.3)) for i, o, s in widths
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _trained(net: nn.Module, steps: int = 3) -> nn.Module:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(steps):
        net.train()
        optimizer.zero_grad()
        F.cross_entropy(net(IMAGES), LABELS).backward()
        optimizer.step()
    return net


def _changed(net: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}


@pytest.mark.parametrize("channels", [(13, 27, 51), (7,)])
def test_every_backbone_learns_under_a_classifier(channels: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = classifier(backbone=Odd(channels), num_classes=4, dropout=0.1)
    before = copy.deepcopy(net.state_dict())
    assert _changed(_trained(net), before) == set(before)
    with at_rest(net):
        features = net.features(IMAGES)
        torch.testing.assert_close(features, net.backbone(IMAGES)[-1].mean((2, 3)))
        torch.testing.assert_close(net.head(features), net(IMAGES))
    assert features.shape == (6, channels[-1]) and net.head.in_features == channels[-1]


def test_a_frozen_backbone_stays_bit_for_bit() -> None:
    torch.manual_seed(0)
    net = classifier(backbone=Odd(), num_classes=4, freeze="backbone")
    before = copy.deepcopy(net.state_dict())
    assert _changed(_trained(net), before) == {"head.weight", "head.bias"}
    assert net.training and not any(part.training for part in net.backbone.modules())
    assert not net.features(IMAGES).requires_grad and net(IMAGES).requires_grad
    # no dropout, no statistics of the batch: in training mode, an image alone is seen as among others
    torch.testing.assert_close(net.features(IMAGES[:1]), net.features(IMAGES)[:1])


def test_a_frozen_classifier_is_copied_and_saved_like_any_other() -> None:
    torch.manual_seed(0)
    net = _trained(classifier(backbone=Odd(), num_classes=4, freeze="backbone"))
    copied = copy.deepcopy(net)
    other: Any = classifier(backbone=Odd(), num_classes=4)
    other.load_state_dict(net.state_dict())
    with at_rest(other):
        assert torch.equal(other(IMAGES), copied(IMAGES))
    before = copy.deepcopy(net.state_dict())
    assert _changed(_trained(copied), before) == {"head.weight", "head.bias"} and not _changed(net, before)
    assert net.state_dict().keys() == other.state_dict().keys()


def test_a_frozen_swin_whose_maps_are_channels_last() -> None:
    net = classifier(
        backbone=timm_backbones.spec("swin_tiny_patch4_window7_224")(drop_path_rate=0.5),
        num_classes=4,
        freeze="backbone",
    )
    assert net.train()(IMAGES).shape == (6, 4) and net.head.in_features == 768
    torch.testing.assert_close(net.features(IMAGES), net.features(IMAGES), rtol=0, atol=0)


def test_a_network_that_is_not_a_backbone_is_refused() -> None:
    with pytest.raises(PluginError, match="it has no `channels`"):
        classifier(backbone=nn.Linear(3, 4), num_classes=2)
