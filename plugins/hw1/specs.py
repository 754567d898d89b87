"""What the homework's plugin offers; the work is done in the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from registry import Count, FromData, Positive, Probability, Range, guessed_by, preflighted_by

if TYPE_CHECKING:
    from .fcn32s import FCN32s
    from .focal import Focal
    from .landcover import LandCover
    from .landcover_scenes import LandCoverScenes
    from .resnet18 import ResNet18, ResNet18Backbone


def _looks_like_landcover(root: Path) -> Mapping[str, Any] | None:
    folders = (root / "train", root / "validation")
    return {"root": root} if all(any(folder.glob("*_sat.jpg")) for folder in folders) else None


@guessed_by(_looks_like_landcover)
def landcover(*, root: Path, train: str = "train", validation: str | None = "validation") -> LandCover:
    """Satellite images with masks of seven kinds of land, in the layout of the course's third problem (DeepGlobe).

    Pairs ``0013_sat.jpg`` and ``0013_mask.png``. The classes are urban, agriculture, rangeland, forest, water, barren
    and unknown; unknown is not learned.

    Args:
        root: folder that holds the training and the validation folder.
        train: the training folder in it.
        validation: the validation folder in it; null for none.
    """
    from .landcover import LandCover

    return LandCover(root, train, validation)


def landcover_scenes(
    *,
    train: Count = 64,
    validation: Count = 16,
    size: Annotated[int, Range(64, 2048)] = 128,
    seed: Annotated[int, Range(0)] = 0,
) -> LandCoverScenes:
    """Generates land-cover scenes with their masks, in the layout of ``landcover``.

    Not real data: for demonstrations and tests. The same arguments give the same files.

    Args:
        train: number of training scenes.
        validation: number of validation scenes; 0013, 0062 and 0104 come first.
        size: width and height of a scene in pixels.
        seed: another seed gives other scenes.
    """
    from .landcover_scenes import LandCoverScenes

    return LandCoverScenes(train, validation, size, seed)


def focal(
    *, alpha: Positive = 0.25, gamma: Annotated[float, Range(0)] = 2.0, ignore_index: FromData[int | None] = None
) -> Focal:
    """Softmax focal loss, -alpha (1 - p_t)^gamma log p_t with p_t the softmax probability of the true class.

    The focal loss of Lin et al. (2017, eq. 5) with softmax for sigmoid and one alpha for all classes; a mean over the
    pixels that are not ignored. With gamma 0 and alpha 1 it is cross-entropy.

    Args:
        alpha: factor of the whole loss.
        gamma: how much what is learned already counts less.
        ignore_index: the label that is not to be learned.
    """
    from .focal import Focal

    return Focal(alpha, gamma, ignore_index)


def resnet18(
    *,
    num_classes: FromData[int],
    in_channels: FromData[int] = 3,
    stem: Literal["imagenet", "cifar"] = "imagenet",
    width: Count = 64,
    zero_init_residual: bool = False,
) -> ResNet18:
    """ResNet-18 (He et al., 2016), written out, trained from scratch.

    Args:
        num_classes: number of classes.
        in_channels: channels of an image.
        stem: imagenet for images of about 224 pixels, cifar for about 32.
        width: channels of the first stage; below 64 for a smaller network.
        zero_init_residual: let every block begin as its shortcut alone, which starts self-supervised learning and large
            batches better.
    """
    from .resnet18 import ResNet18

    return ResNet18(num_classes, in_channels, stem, width, zero_init_residual)


def resnet18_backbone(
    *,
    in_channels: FromData[int] = 3,
    stem: Literal["imagenet", "cifar"] = "imagenet",
    width: Count = 64,
    zero_init_residual: bool = False,
) -> ResNet18Backbone:
    """ResNet-18 (He et al., 2016) as a backbone: the maps of its four stages.

    Args:
        in_channels: channels of an image.
        stem: imagenet for images of about 224 pixels (strides 4 to 32), cifar for about 32 (strides 1 to 8).
        width: channels of the first stage; below 64 for a smaller network.
        zero_init_residual: let every block begin as its shortcut alone, which starts self-supervised learning and large
            batches better.
    """
    from .resnet18 import ResNet18Backbone

    return ResNet18Backbone(in_channels, stem, width, zero_init_residual)


def _look_for_weights(arguments: Mapping[str, Any]) -> None:
    from .vgg_weights import look_for_weights

    look_for_weights(arguments)


@preflighted_by(_look_for_weights)
def fcn32s(
    *,
    num_classes: FromData[int],
    pretrained: bool = False,
    weights: Path | None = None,
    in_channels: FromData[int] = 3,
    width: Positive = 1.0,
    fc_channels: Count = 4096,
    batch_norm: bool = False,
    dropout: Probability = 0.5,
) -> FCN32s:
    """FCN-32s (Long et al., 2015) over VGG-16, written out: any image size, and logits of that size.

    Args:
        num_classes: number of classes.
        pretrained: true for torchvision's ImageNet weights of VGG-16; fc6 and fc7 take those of its classifier.
        weights: a local file of weights of VGG-16, named as in torchvision or timm (.safetensors, .pth), instead.
        in_channels: channels of an image; pretrained first layers are adapted.
        width: factor of the channels of VGG's convolutions; below 1 for a smaller network.
        fc_channels: channels of fc6 and fc7.
        batch_norm: batch normalisation after every convolution but the last, which lets it learn from random weights;
            weights are VGG-16-BN's then, which has none after its linear layers, so that those two start anew.
        dropout: after fc6 and fc7.
    """
    from .fcn32s import build

    return build(
        num_classes,
        in_channels,
        pretrained=pretrained,
        weights=weights,
        width=width,
        fc_channels=fc_channels,
        batch_norm=batch_norm,
        dropout=dropout,
    )
