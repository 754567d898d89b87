"""Any backbone in the place of an SMP encoder."""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor, nn
from torch.nn import functional as F

from registry.engine import describe_backbone, resized, with_output_stride

#: What fills a level that the backbone does not have.
_EMPTY: Final = "empty"
_POOLED: Final = "pooled"
_UPSAMPLED: Final = "upsampled"


class BackboneEncoder(nn.Module):
    """A backbone as SMP's decoders see an encoder: forward gives the image, then maps of strides 2, 4, 8, ...

    Each level takes the backbone's last map of that stride. A level that the backbone does not have is filled without
    any parameters, so that every decoder keeps its own geometry over every backbone:

    - coarser than a map that there is: the level above, averaged 2 x 2;
    - finer than all maps, stride 2: a map without channels, as SMP itself does for transformers;
    - finer than all maps, stride 4 and more: the finest map, upsampled bilinearly.

    Args:
        backbone: keeps the backbone contract.
        depth: levels after the image.
        output_stride: of the coarsest level; below 2 ** depth the backbone is dilated, or else upsampled aloud.
        divisor: the channels of the last level are filled up with zeros to a multiple of this.
    """

    def __init__(self, backbone: nn.Module, depth: int, output_stride: int = 32, divisor: int = 1) -> None:
        super().__init__()
        maps = describe_backbone(backbone)
        #: Sides of images must be multiples of this.
        self.multiple = math.lcm(2**depth, *maps.strides)
        # A stride that is no power of two (a patch of 14) stands in for the nearest; the map is resampled.
        own: dict[int, int] = {round(math.log2(stride)): index for index, stride in enumerate(maps.strides)}
        self.strides: tuple[int, ...] = tuple(min(2**level, output_stride) for level in range(depth + 1))
        self.backbone = with_output_stride(backbone, output_stride) if output_stride < 2**depth else backbone
        self._finest = own[min(own)]
        self._sources: list[int | str] = []
        self.out_channels = [3]
        for level in range(1, depth + 1):
            source, channels = self._source(level, own, maps.channels)
            self._sources.append(source)
            self.out_channels.append(channels)
        self._missing_channels = -self.out_channels[-1] % divisor
        self.out_channels[-1] += self._missing_channels
        # The stride-1 map of a backbone like VGG's: no decoder uses it, but the level below may be its average.
        self._first = own.get(0)

    def _source(self, level: int, own: dict[int, int], channels: tuple[int, ...]) -> tuple[int | str, int]:
        if level in own:
            return own[level], channels[own[level]]
        if min(own) < level:
            return _POOLED, channels[own[0]] if level == 1 else self.out_channels[-1]
        return (_EMPTY, 0) if level == 1 else (_UPSAMPLED, channels[self._finest])

    @property
    def output_stride(self) -> int:
        """Of the last level; SMP checks sizes against it."""
        return self.strides[-1]

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.backbone(images)
        height, width = images.shape[-2:]
        features = [images]
        above = images if self._first is None else maps[self._first]
        for source, stride in zip(self._sources, self.strides[1:], strict=True):
            size = (height // stride, width // stride)
            if source == _EMPTY:
                above = maps[0].new_zeros(images.shape[0], 0, *size)
            elif source == _POOLED:
                above = above if above.shape[-2:] == size else F.avg_pool2d(above, 2)
            else:
                above = maps[self._finest if isinstance(source, str) else source]
                # A few networks round sizes down, and a patch of 14 fits no level.
                above = above if above.shape[-2:] == size else resized(above, size)
            features.append(above)
        if self._missing_channels:
            features[-1] = F.pad(features[-1], (0, 0, 0, 0, 0, self._missing_channels))
        return features

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Part of SMP's protocol; a backbone was built for its images already."""

    def make_dilated(self, output_stride: int) -> None:
        """Part of SMP's protocol; done at construction."""


class PyramidAsTokens(BackboneEncoder):
    """A backbone in the place of DPT's vision transformer: maps of strides 4, 8, 16, 32 and no prefix tokens.

    DPT reassembles tokens into such a pyramid anyway; MiDaS 3.1 trains it over Swin's in the same way.
    """

    has_prefix_tokens = False

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(backbone, 5)
        self.out_channels = self.out_channels[2:]
        self.output_strides = list(self.strides[2:])

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[None]]:  # type: ignore[override]
        features = super().forward(images)[2:]
        return features, [None] * len(features)
