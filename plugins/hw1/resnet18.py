"""ResNet-18 (He et al., 2016), written out. Parameter names are torchvision's and timm's, so weights carry over."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Stem = Literal["imagenet", "cifar"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (figure 2 of the paper; projection shortcuts are its option B).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x + shortcut)  # type: ignore[no-any-return]


class ResNet18Backbone(nn.Module):
    """The convolutional part, as a backbone: the maps of the four stages.

    Args:
        in_channels: channels of an image.
        stem: ``imagenet``: 7x7 convolution of stride 2 and a 3x3 pooling, for images of about 224 pixels, strides 4 to
            32; ``cifar``: one 3x3 convolution, for images of about 32 pixels, strides 1 to 8.
        width: channels of the first stage; each further stage has twice as many as the one before. The paper's is 64.
        zero_init_residual: start the last normalisation of each block with a scale of 0, so that a fresh block passes
            on its shortcut alone (Goyal et al., 2017, section 5.1).
    """

    def __init__(
        self, in_channels: int = 3, stem: Stem = "imagenet", width: int = 64, zero_init_residual: bool = False
    ) -> None:
        super().__init__()
        small = stem == "cifar"
        self.channels = (width, 2 * width, 4 * width, 8 * width)
        self.strides = (1, 2, 4, 8) if small else (4, 8, 16, 32)
        self.conv1 = nn.Conv2d(in_channels, width, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., 2015, as in the paper's section 3.4
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock) and zero_init_residual:
                nn.init.zeros_(module.bn2.weight)

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> the maps of the stages, finest first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> list[Tensor]:
        """As ``maps``."""
        return self.maps(x)


class ResNet18(ResNet18Backbone):
    """The whole network: global average pooling and one linear layer on the last map.

    Args:
        num_classes: outputs.
        in_channels, stem, width, zero_init_residual: see ``ResNet18Backbone``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        stem: Stem = "imagenet",
        width: int = 64,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__(in_channels, stem, width, zero_init_residual)
        self.fc = nn.Linear(self.channels[-1], num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) images -> (B, 8 * width), the penultimate layer."""
        return self.maps(x)[-1].mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, C, H, W) images -> (B, classes) logits."""
        return self.fc(self.features(x))  # type: ignore[no-any-return]


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
