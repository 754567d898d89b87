"""Networks of users as backbones: everything that can be used is used, and what is not is refused or reported."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from registry.engine.network.contract import check_backbone, checking_backbones
from registry.engine.network.wrap import as_backbone
from registry.errors import InputError, PluginError


class FixedSize(nn.Module):
    """Convolutions with a position embedding for images of one size after the first."""

    def __init__(self, side: int = 64, named: bool = True) -> None:
        super().__init__()
        if named:
            self.img_size = side
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.position = nn.Parameter(torch.zeros(1, 4, side // 2, side // 2))
        self.second, self.third = nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.third(self.second(self.stem(x) + self.position).relu())
        return self.head(x.mean((2, 3)))


class PlainViT(nn.Module):
    """Patches of 8, a class token, two transformer blocks of torch's own."""

    def __init__(self, side: int = 64, maps: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.zeros(1, (side // 8) ** 2 + 1, 32))
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(32, 2, 64, 0.0, batch_first=True) for _ in range(2)))
        self.head = nn.Linear(32, 10)
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        x = self.patches(x)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1) + self.position
        tokens = self.blocks(tokens)
        if self.maps:
            return [tokens[:, 1:].transpose(1, 2).reshape(x.shape)]
        return self.head(tokens[:, 0])


class Flattened(nn.Module):
    """A classifier whose linear layer takes all pixels of images of 32 x 32."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 8, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class TwoTowers(nn.Module):
    """Two branches that are joined behind the last module of either."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(3, 8, 3, 2, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.left(x), self.right(x)], 1).mean((2, 3)))


@pytest.mark.parametrize("named", [True, False])
def test_network_with_position_embedding_keeps_all_its_maps(named: bool) -> None:
    with pytest.warns(UserWarning, match=r"from stem, second, third; 2\.9% .* stay frozen; .* 64 x 64 only .*fails"):
        backbone = as_backbone(FixedSize(named=named))
    assert (backbone.strides, backbone.channels, backbone.fixed_size) == ((2, 4, 8), (4, 8, 16), (64, 64))
    assert check_backbone(backbone).strides == (2, 4, 8)
    assert backbone.net.third.weight.requires_grad and not backbone.net.head.weight.requires_grad


def test_images_of_another_size_than_a_fixed_one_are_refused_with_the_size() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = as_backbone(FixedSize())
    message = "FixedSize takes images of 64 x 64 only, and gets 96 x 128"
    with pytest.raises(InputError, match=message), checking_backbones(nn.Sequential(backbone)):
        backbone(torch.zeros(1, 3, 96, 128))


@pytest.mark.parametrize("build", [PlainViT, TwoTowers])
def test_network_whose_body_gives_no_maps_is_refused(build: Callable[[], nn.Module]) -> None:
    net = build()
    with pytest.raises(PluginError, match=r"\d\d% of its parameters would be unused: what (blocks|left)") as caught:
        as_backbone(net)
    assert "return a list of maps" in str(caught.value.hint)
    assert all(each.requires_grad for each in net.parameters())


def test_vision_transformer_that_returns_maps_is_used_whole() -> None:
    with pytest.warns(UserWarning, match="from forward; .* 64 x 64 only"):
        backbone = as_backbone(PlainViT(maps=True), image_size=64)
    assert (backbone.strides, backbone.channels, backbone.fixed_size) == ((8,), (32,), (64, 64))
    assert backbone.net.blocks[1].linear1.weight.requires_grad


def test_linear_layer_over_all_pixels_does_not_fix_the_size() -> None:
    with pytest.warns(
        UserWarning, match=r"from body.0, body.2|from body.1, body; 9\d\.\d% of its parameters are unused"
    ):
        backbone = as_backbone(Flattened())
    assert backbone.fixed_size is None and backbone.strides == (2, 4)
    check_backbone(backbone)


class OneModuleTwice(nn.Module):
    """A classifier with one activation module behind both of its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.act, self.head = nn.ReLU(), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.second(self.act(self.first(x)))).mean((2, 3)))


def test_module_that_gives_two_maps_is_named_once() -> None:
    with pytest.warns(UserWarning, match=r"at strides \(2, 4\) from act; ") as caught:
        assert as_backbone(OneModuleTwice()).strides == (2, 4)
    assert str(caught[0].message).count("act") == 1


def test_size_that_nobody_knows_is_asked_for() -> None:
    with pytest.raises(PluginError, match="takes images of no size that was tried") as caught:
        as_backbone(FixedSize(88, named=False))
    assert "image_size=" in str(caught.value.hint)
    with pytest.warns(UserWarning, match="88 x 88 only"):
        assert as_backbone(FixedSize(88, named=False), image_size=88).strides == (2, 4, 8)


class Declares(nn.Module):
    def __init__(self, strides: tuple[int, ...], channels: tuple[int, ...] = (4, 8)) -> None:
        super().__init__()
        self.channels, self.strides = channels, strides
        self.one, self.two = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [one := self.one(x), self.two(one)]


@pytest.mark.parametrize("size", [(64, 64), (33, 50)])
def test_wrong_declarations_are_found_in_any_forward_pass(size: tuple[int, int]) -> None:
    images = torch.zeros(2, 3, *size)
    right = nn.Sequential(Declares((2, 4)))
    with checking_backbones(right):
        right(images)
    for wrong in (Declares((2, 8)), Declares((4, 8)), Declares((2, 4), (4, 16)), Declares((2,), (4,))):
        net = nn.Sequential(wrong)
        with (
            pytest.raises(PluginError, match=r"backbone Declares .*test_wrap.*promise") as caught,
            checking_backbones(net),
        ):
            net(images)
        assert f"{size[0]} x {size[1]}" in str(caught.value) and "correct `channels` and `strides`" in str(
            caught.value.hint
        )
        net(images)  # nothing stays behind


def test_whole_networks_with_attributes_of_the_same_names_are_left_alone() -> None:
    class WholeNet(Declares):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return self.two(self.one(x))

    net = WholeNet((2, 2), (4, 8))
    with checking_backbones(net):
        net(torch.zeros(1, 3, 32, 32))
