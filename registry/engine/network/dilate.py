"""A finer last map from any backbone: strides turned into dilation (a-trous), or else the maps upsampled."""

from __future__ import annotations

import warnings

from torch import Tensor, nn
from torch.nn import functional as F

from .atrous import CannotDilate, Conversion, trace
from .contract import Maps, at_rest, describe_backbone


def with_output_stride(backbone: nn.Module, output_stride: int, name: str | None = None) -> nn.Module:
    """A backbone none of whose maps is coarser than `output_stride`.

    Strides become dilation in place (Chen et al., DeepLab, 2017; 1606.00915), so that pretrained weights see the
    same neighbours as before: without squeeze-excitation and the like, every coarse value is found again, exactly,
    at its place in the finer map. Where that cannot be done the backbone stays as it was, its coarse maps are
    upsampled, and a warning says so.

    Args:
        backbone: any module that keeps the backbone contract; changed in place when it can be dilated.
        output_stride: the coarsest stride wanted.
        name: what messages call the backbone.

    Returns:
        `backbone` itself, its `strides` updated, or a `Resampled` around it.
    """
    strides = describe_backbone(backbone, name).strides
    if strides[-1] <= output_stride:
        return backbone
    try:
        dilate(backbone, output_stride)
        return backbone
    except CannotDilate as reason:
        warnings.warn(
            f"stride {strides[-1]} could not be turned into dilation for {name or type(backbone).__name__} ({reason}); "
            f"its last maps are upsampled to stride {output_stride}, which costs detail",
            stacklevel=2,
        )
        return Resampled(backbone, output_stride)


def dilate(backbone: nn.Module, output_stride: int) -> None:
    """Turn strides into dilation, in place, and update `strides`.

    Parameters, buffers, state-dict keys and training modes stay as they are.

    Raises:
        CannotDilate: the backbone is as before; the message is the reason.
    """
    promised = describe_backbone(backbone)
    wanted = Maps(promised.channels, tuple(min(stride, output_stride) for stride in promised.strides))
    # Sides that differ show a mix-up of height and width; several cells tell a map from a globally pooled vector.
    size = (2 * promised.strides[-1], 3 * promised.strides[-1])
    with at_rest(backbone):
        image, calls = trace(backbone, size)
        conversion = Conversion(backbone, output_stride)
        try:
            conversion.apply(calls, size, promised.strides[-1])
            _verify(backbone, image, wanted)
            backbone.strides = wanted.strides  # type: ignore[assignment]
        except (CannotDilate, AttributeError) as error:
            conversion.undo()
            raise CannotDilate(str(error)) from error
        except BaseException:
            conversion.undo()
            raise


def _verify(backbone: nn.Module, image: Tensor, wanted: Maps) -> None:
    try:
        maps = backbone(image)
    except Exception as error:
        raise CannotDilate(f"the dilated network fails: {type(error).__name__}: {error}") from error
    found = [tuple(each.shape[1:]) for each in maps]
    height, width = image.shape[-2:]
    if found != [(c, height // s, width // s) for c, s in zip(*wanted, strict=True)]:
        strides = tuple(height // each[1] if each[1] else 0 for each in found)
        raise CannotDilate(
            f"its maps came out at strides {strides} instead of {wanted.strides}: "
            "something other than a Conv2d or pooling module changes their size"
        )


class Resampled(nn.Module):
    """A backbone whose maps coarser than `output_stride` are upsampled to it, bilinearly."""

    def __init__(self, backbone: nn.Module, output_stride: int) -> None:
        super().__init__()
        maps = describe_backbone(backbone)
        self.backbone = backbone
        self.channels = maps.channels
        self.strides = tuple(min(stride, output_stride) for stride in maps.strides)
        self._factors = tuple(stride / new for stride, new in zip(maps.strides, self.strides, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [
            each if factor == 1 else resized(each, (round(each.shape[-2] * factor), round(each.shape[-1] * factor)))
            for each, factor in zip(self.backbone(images), self._factors, strict=True)
        ]


def resized(feature: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (B, C, H, W) bilinearly resized to `size`."""
    return F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
