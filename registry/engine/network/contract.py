"""The backbone contract made concrete: what a backbone says of itself, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import PluginError

#: Statistics of ImageNet's images in 0..1, for a network that does not name its own.
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

_EXAMPLE: Final = "for instance `self.channels = (64, 128, 256, 512)` and `self.strides = (4, 8, 16, 32)`"


class Maps(NamedTuple):
    """The feature maps that a backbone promises, finest first.

    Args:
        channels: of each map.
        strides: size of the image divided by the size of the map, ascending; a dilated backbone may repeat one.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]


def describe_backbone(backbone: nn.Module, name: str | None = None) -> Maps:
    """What a backbone promises, checked.

    Args:
        backbone: any module that claims to keep the contract.
        name: what a message calls it; default its class.

    Raises:
        PluginError: `channels` or `strides` is missing or impossible; the message tells the author what to write.
    """
    source = name or type(backbone).__name__
    channels = _numbers(backbone, "channels", source)
    strides = _numbers(backbone, "strides", source)
    if len(channels) != len(strides):
        raise PluginError(
            source,
            f"names {len(channels)} channels {channels} but {len(strides)} strides {strides}; "
            "a backbone has one of each for every map",
            _EXAMPLE,
        )
    if list(strides) != sorted(strides):
        raise PluginError(
            source,
            f"strides {strides} do not ascend; forward must return the finest map first",
            f"return the maps in the order of strides {tuple(sorted(strides))}",
        )
    return Maps(channels, strides)


def _numbers(backbone: nn.Module, attribute: str, source: str) -> tuple[int, ...]:
    value: Any = getattr(backbone, attribute, None)
    if value is None:
        raise PluginError(source, f"is no backbone: it has no `{attribute}`", _EXAMPLE)
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or not len(value):
        raise PluginError(source, f"`{attribute}` must be a tuple with a number for each map, not {value!r}", _EXAMPLE)
    if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in value):
        raise PluginError(source, f"`{attribute}` must hold whole numbers from 1 up, not {value!r}", _EXAMPLE)
    return tuple(value)


def check_maps(maps: object, promised: Maps, size: tuple[int, int], source: str) -> list[Tensor]:
    """The maps that a forward pass returned, if they are what the backbone promised.

    Args:
        maps: what forward returned.
        promised: what `describe_backbone` read.
        size: (H, W) of the image, divisible by every stride.
        source: what a message calls the backbone.

    Raises:
        PluginError: not a list of tensors, or a map of another shape than promised.
    """
    if not isinstance(maps, (list, tuple)) or not all(isinstance(each, Tensor) for each in maps):
        raise PluginError(source, f"forward must return a list of maps, not {type(maps).__name__}")
    found = [tuple(each.shape[1:]) for each in maps]
    wanted = [(c, size[0] // s, size[1] // s) for c, s in zip(*promised, strict=True)]
    if found != wanted:
        raise PluginError(
            source,
            f"an image of {size[0]} x {size[1]} gave maps (channels, height, width) {found}, "
            f"but its `channels` and `strides` promise {wanted}",
            "mend `channels` and `strides`, or the maps; they must be channels first and finest first",
        )
    return list(maps)


def check_backbone(backbone: nn.Module, name: str | None = None, in_channels: int = 3) -> Maps:
    """What a backbone promises, tried on a black image; for a plugin author's own tests.

    Args:
        backbone: any module that claims to keep the contract; unchanged.
        name: what a message calls it; default its class.
        in_channels: channels of the image.

    Raises:
        PluginError: it does not keep the contract; the message tells the author what to write.
    """
    promised = describe_backbone(backbone, name)
    source = name or type(backbone).__name__
    # Sides that differ, so that height and width cannot be mixed up.
    size = (2 * promised.strides[-1], 3 * promised.strides[-1])
    like = next(backbone.parameters(), torch.empty(0))
    with at_rest(backbone):
        try:
            maps = backbone(torch.zeros(1, in_channels, *size, device=like.device, dtype=like.dtype))
        except Exception as error:
            message = f"forward fails on an image of {size[0]} x {size[1]}: {type(error).__name__}: {error}"
            raise PluginError(source, message) from error
    check_maps(maps, promised, size, source)
    return promised


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients, every module's training mode restored after."""
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for each, mode in modes:
            each.training = mode


def normalization_of(module: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) per channel for images in 0..1: the module's own, else its first submodule's, else ImageNet's."""
    for each in module.modules():
        mean, std = _statistics(getattr(each, "mean", None)), _statistics(getattr(each, "std", None))
        if mean and std and len(mean) == len(std):
            return mean, std
    return IMAGENET_MEAN, IMAGENET_STD


def _statistics(value: Any) -> tuple[float, ...] | None:
    # A module may have a method or a learnt scalar called `mean`: only a row of numbers counts.
    if isinstance(value, Tensor):
        value = value.detach().flatten().tolist()
    if isinstance(value, (tuple, list)) and value and all(isinstance(number, (int, float)) for number in value):
        return tuple(float(number) for number in value)
    return None


def per_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Statistics of another number of channels: repeated in turn, and averaged for a single channel."""
    if len(values) == channels:
        return tuple(values)
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[index % len(values)] for index in range(channels))
