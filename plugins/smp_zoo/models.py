"""An SMP architecture built over any backbone, for images of any size."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.decoders.dpt import model as dpt
from torch import Tensor, nn
from torch.nn import functional as F

from registry import InputError
from registry.engine import normalization_of, resized

from .adapter import BackboneEncoder, PyramidAsTokens

#: Least side of the last map. PAN halves it three times over and then wants a pixel left.
_LEAST_MAP: Final = {"PAN": 8}
#: What the channels of the last map must be divisible by. PSPNet gives each of its four pools a quarter.
_DIVISOR: Final = {"PSPNet": 4}


class SegmentationNet(nn.Module):
    """Images (B, C, H, W) of any size -> logits (B, classes, H, W).

    Args:
        net: an SMP model over a `BackboneEncoder`.
        multiple: what sides must be multiples of: images are padded with zeros, right and below.
        least: least side.
    """

    def __init__(self, net: nn.Module, multiple: int, least: int) -> None:
        super().__init__()
        self.net = net
        self.multiple = multiple
        self.least = least
        self.mean, self.std = normalization_of(net.encoder.backbone)  # type: ignore[arg-type, union-attr]

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        below, right = self._missing(height), self._missing(width)
        # Images are normalised, so zero is their mean.
        padded = F.pad(images, (0, right, 0, below)) if below or right else images
        logits: Tensor = self.net(padded)
        if logits.shape[-2:] != padded.shape[-2:]:
            # A decoder whose `upsampling` was not made for another `encoder_depth` stops short.
            logits = resized(logits, (padded.shape[-2], padded.shape[-1]))
        return logits[..., :height, :width]

    def _missing(self, side: int) -> int:
        return max(-(-side // self.multiple) * self.multiple, self.least) - side


def build(architecture: str, *, backbone: nn.Module, num_classes: int, **arguments: Any) -> SegmentationNet:
    """An SMP model over a backbone.

    Args:
        architecture: SMP's class.
        backbone: keeps the backbone contract.
        num_classes: channels of the logits.
        **arguments: SMP's own, without those of its encoders.

    Raises:
        InputError: SMP refuses the arguments.
    """
    kind = getattr(smp, architecture)
    defaults = {name: each.default for name, each in inspect.signature(kind.__init__).parameters.items()}
    depth = arguments.get("encoder_depth", defaults["encoder_depth"])
    output_stride = arguments.get("encoder_output_stride", defaults.get("encoder_output_stride", 32))
    if "decoder_channels" in arguments or isinstance(defaults.get("decoder_channels"), tuple):
        widths = arguments.get("decoder_channels", defaults["decoder_channels"])
        if isinstance(widths, (tuple, list)) and tuple(widths) == tuple(defaults["decoder_channels"]):
            # SMP wants a width for each level: of its default, those of the finest levels.
            arguments["decoder_channels"] = tuple(widths)[-depth:]
    if architecture == "DPT":
        arguments["decoder_readout"] = "ignore"
        encoder: BackboneEncoder = PyramidAsTokens(backbone)
    else:
        encoder = BackboneEncoder(backbone, depth, output_stride, _DIVISOR.get(architecture, 1))
    try:
        with _in_place_of_encoders(encoder) as name:
            net = kind(encoder_name=name, encoder_weights=None, classes=num_classes, **arguments)
    except (ValueError, TypeError) as error:
        raise InputError.of("model", f"SMP refuses this {architecture}: {error}") from error
    net.name = architecture.lower()  # SMP's would carry the private name
    return SegmentationNet(net, encoder.multiple, _LEAST_MAP.get(architecture, 1) * encoder.output_stride)


@contextmanager
def _in_place_of_encoders(encoder: BackboneEncoder) -> Iterator[str]:
    """The name under which SMP finds this encoder, for as long as a model is being built."""
    name = f"tu-hw1cli-{id(encoder):x}" if isinstance(encoder, PyramidAsTokens) else f"hw1cli-{id(encoder):x}"
    table: dict[str, Any] = smp.encoders.encoders
    table[name] = {"encoder": lambda **_: encoder, "params": {}, "pretrained_settings": {}}
    # DPT asks no table: it makes its transformer by this class.
    transformer = dpt.TimmViTEncoder
    if isinstance(encoder, PyramidAsTokens):
        dpt.TimmViTEncoder = lambda **_: encoder
    try:
        yield name
    finally:
        dpt.TimmViTEncoder = transformer
        del table[name]
