"""The backbone contract: what a backbone declares of its maps, and whether the maps that it returns agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import Hw1Error, InputError, PluginError

#: Statistics of ImageNet's images in 0..1, for a network that does not name its own.
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

Size = tuple[int, int]

_EXAMPLE: Final = "for instance `self.channels = (64, 128, 256, 512)` and `self.strides = (4, 8, 16, 32)`"
_FIX: Final = "correct `channels` and `strides`, or the maps; maps are channels first, and the finest comes first"


class Maps(NamedTuple):
    """The feature maps that a backbone declares, finest first.

    Args:
        channels: of each map.
        strides: size of the image divided by the size of the map, ascending; a dilated backbone may repeat one.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]


def describe_backbone(backbone: nn.Module, name: str | None = None) -> Maps:
    """The maps that a backbone declares; nothing is computed.

    Args:
        backbone: any module with ``channels`` and ``strides``.
        name: what a message calls it; default its class.

    Raises:
        PluginError: `channels` or `strides` is missing or impossible; the message says what to write.
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
        raise PluginError(source, f"is not a backbone: it has no `{attribute}`", _EXAMPLE)
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or not len(value):
        raise PluginError(source, f"`{attribute}` must be a tuple with a number for each map, not {value!r}", _EXAMPLE)
    if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in value):
        raise PluginError(source, f"`{attribute}` must hold whole numbers from 1 up, not {value!r}", _EXAMPLE)
    return tuple(value)


def fixed_size_of(backbone: nn.Module) -> Size | None:
    """(H, W) of the images that a network was built for, which it declares as ``fixed_size``; None: any size."""
    size = getattr(backbone, "fixed_size", None)
    return (int(size[0]), int(size[1])) if isinstance(size, (tuple, list)) and len(size) == 2 else None


def trial_size(backbone: nn.Module, declared: Maps) -> Size:
    """(H, W) of a small image to try a backbone on: its fixed size, else sides that differ, so that a mix-up shows."""
    return fixed_size_of(backbone) or (2 * declared.strides[-1], 3 * declared.strides[-1])


def check_maps(maps: object, declared: Maps, size: Size, source: str) -> list[Tensor]:
    """The maps that a forward pass returned, if they are what the backbone declares.

    Args:
        maps: what forward returned.
        declared: what `describe_backbone` read.
        size: (H, W) of the image. Where a stride does not divide it, rounding up and down are both right.
        source: what a message calls the backbone.

    Raises:
        PluginError: not a list of tensors, or a map of another shape than declared.
    """
    if not isinstance(maps, (list, tuple)) or not all(isinstance(each, Tensor) for each in maps):
        raise PluginError(source, f"forward must return a list of maps, not {type(maps).__name__}")
    found = [tuple(each.shape[1:]) for each in maps]
    each = zip(found, *declared, strict=False)
    if len(found) != len(declared.strides) or not all(_fits(shape, c, s, size) for shape, c, s in each):
        wanted = [(c, size[0] // s, size[1] // s) for c, s in zip(*declared, strict=True)]
        raise PluginError(
            source,
            f"returns maps (channels, height, width) {found} for an image of {size[0]} x {size[1]}, "
            f"but its `channels` {declared.channels} and `strides` {declared.strides} promise {wanted}",
            _FIX,
        )
    return list(maps)


def _fits(shape: tuple[int, ...], channels: int, stride: int, size: Size) -> bool:
    sides = zip(shape[1:], size, strict=False)
    return len(shape) == 3 and shape[0] == channels and all(abs(a * stride - b) < stride for a, b in sides)


def check_backbone(backbone: nn.Module, name: str | None = None, in_channels: int = 3) -> Maps:
    """The maps that a backbone declares, checked on a black image; for a plugin author's own tests.

    Args:
        backbone: any module that claims to keep the contract; unchanged.
        name: what a message calls it; default its class.
        in_channels: channels of the image.

    Raises:
        PluginError: it does not keep the contract; the message says what to write.
    """
    declared = describe_backbone(backbone, name)
    source = name or type(backbone).__name__
    size = trial_size(backbone, declared)
    like = next(backbone.parameters(), torch.empty(0))
    with at_rest(backbone):
        try:
            maps = backbone(torch.zeros(1, in_channels, *size, device=like.device, dtype=like.dtype))
        except Exception as error:
            message = f"forward fails on an image of {size[0]} x {size[1]}: {type(error).__name__}: {error}"
            raise PluginError(source, message) from error
    check_maps(maps, declared, size, source)
    return declared


@contextmanager
def checking_backbones(module: nn.Module) -> Iterator[None]:
    """Inside, every forward pass of a backbone in `module` is checked against what the backbone declares.

    It costs a comparison of shapes and no computation: put it around a forward pass that runs anyway.

    Raises:
        InputError: the pass failed, and the images were not of the fixed size of a network in it.
        PluginError: a backbone's maps are not what its ``channels`` and ``strides`` declare.
    """

    unfit: list[tuple[nn.Module, Size]] = []

    def before(network: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and tuple(inputs[0].shape[-2:]) != fixed_size_of(network):
            unfit.append((network, (inputs[0].shape[-2], inputs[0].shape[-1])))

    def after(backbone: nn.Module, inputs: tuple[Any, ...], maps: Any) -> None:
        # Other modules have attributes of these names too, such as a whole U-Net that returns one tensor.
        if inputs and isinstance(inputs[0], Tensor) and isinstance(maps, (list, tuple)):
            source = f"backbone {type(backbone).__name__} ({type(backbone).__module__})"
            size = (inputs[0].shape[-2], inputs[0].shape[-1])
            check_maps(maps, describe_backbone(backbone, source), size, source)

    handles = [part.register_forward_pre_hook(before) for part in module.modules() if fixed_size_of(part)]
    handles += [part.register_forward_hook(after) for part in backbones_in(module)]
    try:
        yield
    except Hw1Error:
        raise
    except Exception as error:
        if unfit:  # a network may take other sizes too: only a failure shows
            raise _wrong_size(*unfit[0]) from error
        raise
    finally:
        for handle in handles:
            handle.remove()


def backbones_in(module: nn.Module) -> Iterator[nn.Module]:
    """The parts that keep the contract of backbones, by their attributes."""
    return (part for part in module.modules() if hasattr(part, "channels") and hasattr(part, "strides"))


def _wrong_size(network: nn.Module, given: Size) -> InputError:
    height, width = fixed_size_of(network) or given
    name = type(getattr(network, "net", network)).__name__  # of what is wrapped
    return InputError.of(
        "augment",
        f"{name} takes images of {height} x {width} only, and gets {given[0]} x {given[1]}",
        f"end both lists of `augment` with {{use: albumentations/Resize, height: {height}, width: {width}}}, or build "
        f"the network for another size, where it has an argument for it: `image_size: {given[0]}` for timm's",
    )


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
