"""StarNet (Ma et al., "Rewrite the Stars", CVPR 2024, section 4), written from the paper."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

#: Channels of the stem's map.
_STEM: Final = 32


class _Size(NamedTuple):
    """Channels of the first stage, blocks of the four stages, and the widening inside a block."""

    width: int
    depths: tuple[int, int, int, int]
    expansion: int = 4


#: Table 3 of the paper; s050 is its smallest variant.
SIZES: Final = {
    "s050": _Size(16, (1, 1, 3, 1), 3),
    "s1": _Size(24, (2, 2, 8, 3)),
    "s2": _Size(32, (1, 2, 6, 2)),
    "s3": _Size(32, (2, 2, 8, 4)),
    "s4": _Size(32, (3, 3, 12, 5)),
}


class StarNet(nn.Module):
    """A backbone: forward gives five maps, finest first.

    Args:
        size: one of ``SIZES``.
        drop_path_rate: probability that the last block is passed over in training; of the others in proportion.
        in_channels: channels of an image.
    """

    def __init__(self, size: str, *, drop_path_rate: float = 0.0, in_channels: int = 3) -> None:
        super().__init__()
        width, depths, expansion = SIZES[size]
        widths = tuple(width << stage for stage in range(len(depths)))
        self.channels = (_STEM, *widths)
        self.strides = (2, 4, 8, 16, 32)
        self.stem = nn.Sequential(*_conv_norm(in_channels, _STEM, 3, stride=2), nn.ReLU6())
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(*_conv_norm(self.channels[stage], channels, 3, stride=2)),
                *(StarBlock(channels, expansion, next(rates)) for _ in range(depth)),
            )
            for stage, (channels, depth) in enumerate(zip(widths, depths, strict=True))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> the maps of strides 2, 4, 8, 16 and 32."""
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class StarBlock(nn.Module):
    """The star operation, relu6(f1(x)) * f2(x), between two depthwise convolutions of 7 x 7 (figure 4).

    Args:
        channels: in and out.
        expansion: widening of the two branches.
        drop_path: probability that the block is skipped in training, for each image separately.
    """

    def __init__(self, channels: int, expansion: int, drop_path: float) -> None:
        super().__init__()
        wide = expansion * channels
        self.before = nn.Sequential(*_conv_norm(channels, channels, 7, groups=channels))
        self.branch1 = nn.Conv2d(channels, wide, 1)
        self.branch2 = nn.Conv2d(channels, wide, 1)
        self.project = nn.Sequential(*_conv_norm(wide, channels, 1))
        self.after = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y = self.before(x)
        y = self.project(nn.functional.relu6(self.branch1(y)) * self.branch2(y))
        y = self.after(y)
        if self.training and self.drop_path > 0:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop_path
            y = y * kept / (1 - self.drop_path)
        out: Tensor = x + y
        return out


def _conv_norm(channels: int, out: int, side: int, *, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution with 'same' padding, and the norm after it."""
    return nn.Conv2d(channels, out, side, stride, side // 2, groups=groups), nn.BatchNorm2d(out)
