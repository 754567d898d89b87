"""timm models wrapped to the contracts of a backbone and of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg
from torch import Tensor, nn

from registry import InputError
from registry.engine import per_channel

from .building import create


class TimmBackbone(nn.Module):
    """A timm model's feature maps, channels first, finest first, one for each stride.

    timm's vision transformers give many maps of one stride: the last is kept, so that `strides` ascends. `mean`, `std`
    and `input_size`, (C, H, W), tell of the images that the weights were trained on.

    Args:
        name: architecture, or ``architecture.tag``.
        pretrained: true for the default weights, a tag for others.
        weights: a local file instead.
        in_channels: channels of an image.
        output_stride: of the coarsest map, by dilation as timm does it.
        out_indices: timm's numbers of the maps; default all strides.
        image_size: side of the image that position embeddings are made for.
        drop_path_rate: stochastic depth.

    Raises:
        InputError: timm cannot build this model so, or its weights are not at hand.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        weights: Path | None = None,
        in_channels: int = 3,
        output_stride: int | None = None,
        out_indices: Sequence[int] | None = None,
        image_size: int | None = None,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        arguments: dict[str, Any] = {"features_only": True, "in_chans": in_channels}
        if output_stride not in (None, 32):
            arguments["output_stride"] = output_stride
        if out_indices is not None:
            arguments["out_indices"] = tuple(out_indices)
        if drop_path_rate:
            arguments["drop_path_rate"] = drop_path_rate

        def build(**more: Any) -> Any:
            return create(name, pretrained, weights, image_size, {**arguments, **more}, path="backbone")

        self.net = build()
        if out_indices is None:
            info = self.net.feature_info
            strides = [each["reduction"] for each in info.info]
            # timm stops after five maps, which for VGG leaves out the coarsest.
            if max(strides) > max(info.reduction()):
                self.net = build(out_indices=tuple(_last_of_each(strides)))
        info = self.net.feature_info
        self._kept = [index for index in _last_of_each(info.reduction()) if info.channels()[index] > 0]
        self._channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        self.channels = tuple(int(info.channels()[index]) for index in self._kept)
        self.strides = tuple(int(info.reduction()[index]) for index in self._kept)
        self.in_channels = in_channels
        self.mean, self.std = _statistics(self.net, in_channels)
        self.input_size = _input_size(self.net, in_channels, image_size)
        self.fixed_size = getattr(self.net, "fixed_size", None)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.net(images)
        kept = [maps[index] for index in self._kept]
        return [each.permute(0, 3, 1, 2) for each in kept] if self._channels_last else kept


class TimmClassifier(nn.Module):
    """A timm classifier: images (B, C, H, W) -> logits (B, classes).

    `mean`, `std` and `input_size`, (C, H, W), tell of the images that the weights were trained on.

    Args:
        name: architecture, or ``architecture.tag``.
        num_classes: number of classes.
        pretrained: true for the default weights, a tag for others.
        weights: a local file instead.
        in_channels: channels of an image.
        image_size: side of the image that position embeddings are made for.
        drop_rate: dropout before the last layer.
        drop_path_rate: stochastic depth.

    Raises:
        InputError: timm cannot build this model so, or its weights are not at hand.
    """

    def __init__(
        self,
        name: str,
        *,
        num_classes: int,
        pretrained: bool | str = False,
        weights: Path | None = None,
        in_channels: int = 3,
        image_size: int | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        arguments: dict[str, Any] = {"in_chans": in_channels, "num_classes": num_classes}
        arguments |= {key: rate for key, rate in (("drop_rate", drop_rate), ("drop_path_rate", drop_path_rate)) if rate}
        self.net = create(name, pretrained, weights, image_size, arguments, path="model")
        self.mean, self.std = _statistics(self.net, in_channels)
        self.input_size = _input_size(self.net, in_channels, image_size)
        self.fixed_size = getattr(self.net, "fixed_size", None)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """The penultimate layer, pooled: (B, D)."""
        try:
            found: Tensor = self.net.forward_head(self.net.forward_features(images), pre_logits=True)
        except (AttributeError, TypeError) as error:
            message = f"{type(self.net).__name__} does not give its penultimate layer ({error})"
            raise InputError.of("model", message, "leave out the reports that need it") from error
        return found if found.dim() == 2 else found.flatten(2).mean(2) if found.dim() == 4 else found.mean(1)


def _statistics(net: nn.Module, in_channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    config: dict[str, Any] = dict(getattr(net, "pretrained_cfg", {}))
    mean = config.get("mean", timm.data.IMAGENET_DEFAULT_MEAN)
    std = config.get("std", timm.data.IMAGENET_DEFAULT_STD)
    return per_channel(mean, in_channels), per_channel(std, in_channels)


def _input_size(net: nn.Module, in_channels: int, image_size: int | None) -> tuple[int, int, int]:
    """(C, H, W) of the images that the weights were trained on; channels and side as they were asked for, if so."""
    config: dict[str, Any] = dict(getattr(net, "pretrained_cfg", {}))
    _, height, width = config.get("input_size", PretrainedCfg.input_size)
    return in_channels, image_size or int(height), image_size or int(width)


def _last_of_each(strides: Sequence[int]) -> list[int]:
    """Where each stride comes last."""
    return [index for index, stride in enumerate(strides) if stride not in strides[index + 1 :]]
