"""Strides turned into dilation, on nets that nobody prepared for it."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.engine.network.contract import (
    check_backbone,
    check_maps,
    describe_backbone,
    normalization_of,
    per_channel,
)
from registry.engine.network.output_stride import CannotDilate, Resampled, dilate, with_output_stride
from registry.errors import PluginError


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    # Threads that wait for each other on a busy machine cost more than they bring to nets as small as these.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Stranger(nn.Module):
    """A third party's net: odd kernels, even kernels, both poolings, a branch that is pooled globally."""

    def __init__(self, functional: bool = False, shared: bool = False, average: bool = True) -> None:
        super().__init__()
        self.channels, self.strides = (6, 10, 14, 20), (4, 8, 16, 32)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 7, 2, 3), nn.BatchNorm2d(6), nn.MaxPool2d(3, 2, 1))
        self.second = nn.Sequential(nn.Conv2d(6, 10, 2, 2), nn.ReLU(), nn.Conv2d(10, 10, 5, padding=2))
        down: nn.Module = nn.AvgPool2d(2) if average else nn.MaxPool2d(3, 2, ceil_mode=True)
        self.third = nn.Sequential(down, nn.Conv2d(10, 14, 3, padding=2, dilation=2), nn.BatchNorm2d(14))
        self.fourth = nn.Sequential(
            nn.Conv2d(14, 20, 3, 2, 1), nn.ReLU(), nn.Conv2d(20, 20, 3, 1, 1), nn.MaxPool2d(3, 1, 1)
        )
        self.functional = functional
        self.again = nn.Conv2d(10, 10, 3, 1, 1) if shared else None
        self.to_ten = nn.Conv2d(14, 10, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        maps.append(self.second(maps[-1]))
        third = self.third(maps[-1]) if not self.functional else self.third[1:](F.max_pool2d(maps[-1], 2))
        if self.again is not None:
            maps[1] = self.again(maps[1])
            third = third + self.again(self.to_ten(third)).mean()
        maps.append(third)
        maps.append(self.fourth(maps[-1]))
        return maps


class Wrapped(nn.Module):
    """timm's features with no more than the contract."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__()
        self.net = timm.create_model(name, features_only=True, **options)
        self.channels, self.strides = tuple(self.net.feature_info.channels()), tuple(self.net.feature_info.reduction())

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.net(x)
        return [each.permute(0, 3, 1, 2) for each in maps] if self.net.output_fmt == "NHWC" else maps


def shaken(net: nn.Module) -> nn.Module:
    """Normalisation layers away from their start, where a residual branch may be multiplied by zero."""
    torch.manual_seed(0)
    for each in net.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.1)
            each.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(each.weight, 0.5, 1.5)
    # Double precision tells an exact conversion from a nearly right one.
    return net.eval().double()


@torch.no_grad()
def maps_of(net: nn.Module, images: Tensor) -> list[Tensor]:
    return [each.clone() for each in net(images)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stranger(),
        lambda: Stranger(average=False),
        lambda: Wrapped("resnet18"),
        lambda: Wrapped("resnet10t"),
        lambda: Wrapped("test_convnext"),
    ],
    ids=["stranger", "stranger-ceil", "resnet18", "resnet10t", "convnext"],
)
@pytest.mark.parametrize("stride", [8, 16])
def test_every_coarse_value_is_found_again_in_the_finer_map(make, stride: int) -> None:
    net = shaken(make())
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    before, promised = maps_of(net, images), describe_backbone(net)
    keys = list(net.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_output_stride(net, stride) is net
    assert list(net.state_dict()) == keys
    assert net.strides == tuple(min(each, stride) for each in promised.strides)
    after = check_maps(maps_of(net, images), describe_backbone(net), (64, 96), "net")
    for coarse, fine, old in zip(before, after, promised.strides, strict=True):
        step = max(1, old // stride)
        torch.testing.assert_close(fine[..., ::step, ::step], coarse, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("stride", [8, 16])
def test_agrees_with_timms_own_dilation(name: str, stride: int) -> None:
    ours = shaken(Wrapped(name))
    native = Wrapped(name, output_stride=stride).eval().double()
    native.load_state_dict(ours.state_dict())
    dilate(ours, stride)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    for found, wanted in zip(maps_of(ours, images), maps_of(native, images), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Stranger(functional=True), "something other than a Conv2d"),
        (lambda: Stranger(shared=True), "several scales"),
        (lambda: Wrapped("swin_tiny_patch4_window7_224", strict_img_size=False), "attention"),
    ],
    ids=["functional", "shared", "swin"],
)
def test_what_cannot_be_dilated_is_restored_and_upsampled_aloud(make, reason: str) -> None:
    net = shaken(make())
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    before, text = maps_of(net, images), repr(net)
    with pytest.warns(UserWarning, match="upsampled to stride 8, which costs detail") as caught:
        wrapped = with_output_stride(net, 8)
    assert len(caught) == 1 and reason in str(caught[0].message)
    assert isinstance(wrapped, Resampled) and wrapped.backbone is net
    assert repr(net) == text and net.strides == (4, 8, 16, 32)
    assert all(torch.equal(*pair) for pair in zip(maps_of(net, images), before, strict=True))
    assert wrapped.strides == (4, 8, 8, 8)
    maps = check_maps(maps_of(wrapped, images), describe_backbone(wrapped), (64, 96), "net")
    torch.testing.assert_close(maps[3], F.interpolate(before[3], size=(8, 12), mode="bilinear"))


def test_tracing_leaves_no_trace() -> None:
    net = Stranger()
    net.train()
    net.stem[1].eval()  # a frozen layer stays frozen
    state = copy.deepcopy(net.state_dict())
    torch.manual_seed(3)
    before = torch.get_rng_state()
    dilate(net, 8)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert net.training and net.third[2].training and not net.stem[1].training
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.equal(before, torch.get_rng_state())
    copy.deepcopy(net)(torch.randn(2, 3, 64, 64))[-1].sum().backward()


def test_a_fine_backbone_is_left_alone_and_a_failing_one_blamed() -> None:
    net: Any = Stranger()
    assert with_output_stride(net, 32) is net
    net.fourth[0].in_channels, net.fourth[0].weight = 3, nn.Parameter(torch.zeros(20, 3, 3, 3))
    with pytest.raises(CannotDilate, match="takes no image"):
        dilate(net, 8)


@pytest.mark.parametrize(
    ("channels", "strides", "message"),
    [
        (None, (4, 8), "has no `channels`"),
        ((8,), (4, 8), "one of each for every map"),
        ((8, 16), (8, 4), "do not ascend"),
        ((8, 0), (4, 8), "whole numbers from 1"),
        ("ab", (4, 8), "must be a tuple"),
        ((), (), "must be a tuple"),
    ],
)
def test_a_broken_promise_is_explained(channels: object, strides: object, message: str) -> None:
    net: Any = nn.Identity()
    net.strides = strides
    if channels is not None:
        net.channels = channels
    with pytest.raises(PluginError, match=message) as caught:
        describe_backbone(net, "acme:net")
    assert "acme:net" in str(caught.value) and caught.value.hint


def test_maps_unlike_the_promise_are_shown() -> None:
    net = Stranger()
    assert check_backbone(net).strides == (4, 8, 16, 32) and net.training
    with pytest.raises(PluginError, match="acme:net: forward fails on an image of 64 x 96"):
        check_backbone(net, "acme:net", in_channels=4)
    promised = describe_backbone(net)
    maps = net(torch.zeros(1, 3, 64, 64))
    with pytest.raises(PluginError, match="must return a list of maps, not Tensor"):
        check_maps(maps[0], promised, (64, 64), "net")
    with pytest.raises(PluginError, match="promise"):
        check_maps(maps[::-1], promised, (64, 64), "net")


def test_normalization_is_the_nets_own_wherever_it_says_so() -> None:
    inner: Any = nn.Identity()
    assert normalization_of(nn.Sequential(inner))[0] == pytest.approx((0.485, 0.456, 0.406))
    inner.mean, inner.std = (0.5, 0.5, 0.5), [0.25, 0.25, 0.25]
    assert normalization_of(nn.Sequential(nn.ReLU(), inner)) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert per_channel((1.0, 2.0, 3.0), 1) == (2.0,) and per_channel((1.0, 2.0, 3.0), 4) == (1.0, 2.0, 3.0, 1.0)
