"""FCN-32s (Long et al., 2015) over VGG-16 (Simonyan and Zisserman, 2015), written out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from registry.engine import IMAGENET_MEAN, IMAGENET_STD, per_channel

from .vgg_weights import load_vgg, pretrained_file

#: Convolutions of each of the five stages, and their channels (configuration D of the VGG paper).
_STAGES: Final = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
#: Where the image begins in the upsampled map.
_OFFSET: Final = 19


class FCN32s(nn.Module):
    """Images (B, C, H, W) of any size -> logits (B, classes, H, W).

    The first convolution pads by 100, so that the 7x7 convolution that was VGG's first linear layer fits on images of
    any size. Its map has a cell for every 32 pixels; cell i looks at the pixels around 32 i + 12.5, and the transposed
    convolution spreads it around 32 i + 31.5: hence the crop by 19. Poolings keep the rest of an odd side, as Caffe's
    do, or the map would fall short of the image.

    As in the paper the class scores start at zero and the upsampling as bilinear interpolation; here it goes on to
    learn. The other layers start as in He et al. (2015), fc6 in the middle of its kernel alone, unless weights are
    loaded.

    Args:
        num_classes: channels of the logits.
        in_channels: channels of an image.
        width: factor of the channels of all 3x3 convolutions.
        fc_channels: channels of fc6 and fc7, VGG's linear layers as convolutions.
        batch_norm: batch normalisation after each 3x3 convolution and after fc6 and fc7.
        dropout: after fc6 and fc7, in training.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        fc_channels: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.mean, self.std = per_channel(IMAGENET_MEAN, in_channels), per_channel(IMAGENET_STD, in_channels)
        self.features, channels = _vgg_features(in_channels, width, batch_norm)
        self.fc6 = nn.Conv2d(channels, fc_channels, 7)
        self.norm6 = nn.BatchNorm2d(fc_channels) if batch_norm else nn.Identity()
        self.fc7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.norm7 = nn.BatchNorm2d(fc_channels) if batch_norm else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Conv2d(fc_channels, num_classes, 1)
        self.upsample = nn.ConvTranspose2d(num_classes, num_classes, 64, 32, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        # Random weights of the 48 cells around would drown what the cell in the middle says of its own place.
        nn.init.zeros_(self.fc6.weight)
        nn.init.kaiming_normal_(self.fc6.weight[:, :, 3:4, 3:4], nonlinearity="relu")
        nn.init.zeros_(self.score.weight)
        with torch.no_grad():
            self.upsample.weight.copy_(bilinear_kernels(num_classes, 64))

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        x = self.features(images)
        x = self.dropout(self.relu(self.norm6(self.fc6(x))))
        x = self.dropout(self.relu(self.norm7(self.fc7(x))))
        logits: Tensor = self.upsample(self.score(x))
        return logits[..., _OFFSET : _OFFSET + height, _OFFSET : _OFFSET + width]


def _vgg_features(in_channels: int, width: float, batch_norm: bool) -> tuple[nn.Sequential, int]:
    """VGG-16's convolutions with the numbers that they have in torchvision and timm, and their last channels."""
    layers: list[nn.Module] = []
    inputs, padding = in_channels, 100
    for count, channels in _STAGES:
        outputs = max(8, round(channels * width / 8) * 8)
        for _ in range(count):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=padding))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            inputs, padding = outputs, 1
        layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
    return nn.Sequential(*layers), inputs


def bilinear_kernels(channels: int, side: int) -> Tensor:
    """Weights (channels, channels, side, side) with which a transposed convolution of stride side / 2 upsamples each
    channel bilinearly."""
    slope = 1 - (torch.arange(side) - (side - 1) / 2).abs() / (side / 2)
    return torch.eye(channels)[:, :, None, None] * torch.outer(slope, slope)


def build(
    num_classes: int,
    in_channels: int,
    *,
    pretrained: bool,
    weights: Path | None,
    width: float,
    fc_channels: int,
    batch_norm: bool,
    dropout: float,
) -> FCN32s:
    """See the spec ``fcn32s``.

    Raises:
        InputError: weights are not to be had, or do not fit.
    """
    net = FCN32s(num_classes, in_channels, width=width, fc_channels=fc_channels, batch_norm=batch_norm, dropout=dropout)
    if weights is not None:
        load_vgg(net, weights, "weights")
    elif pretrained:
        load_vgg(net, pretrained_file(width, fc_channels, batch_norm), "pretrained")
    return net
