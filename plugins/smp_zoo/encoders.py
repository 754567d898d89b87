"""SMP's own encoders wrapped to the backbone contract."""

from __future__ import annotations

import json
from typing import Any

import segmentation_models_pytorch as smp
from safetensors.torch import load_file
from torch import Tensor, nn

from registry import InputError, did_you_mean
from registry.engine import IMAGENET_MEAN, IMAGENET_STD, per_channel, require_weights


class SmpBackbone(nn.Module):
    """An encoder's maps, finest first, one for each stride.

    Args:
        name: SMP's name of the encoder.
        pretrained: true for ImageNet weights, or a tag.
        in_channels: channels of an image.
        depth: maps wanted.
        output_stride: of the coarsest map.

    Raises:
        InputError: unknown weights, weights not at hand, or a stride that SMP cannot give this encoder.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        in_channels: int = 3,
        depth: int = 5,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        self.encoder: Any = smp.encoders.get_encoder(name, in_channels=3, depth=depth, weights=None)
        self.mean, self.std = per_channel(IMAGENET_MEAN, in_channels), per_channel(IMAGENET_STD, in_channels)
        if pretrained:
            self._load(name, pretrained, in_channels)
        self.encoder.set_in_channels(in_channels, pretrained=bool(pretrained))
        if output_stride < 2**depth and output_stride != 32:
            try:
                self.encoder.make_dilated(output_stride)
            except (NotImplementedError, ValueError) as error:
                message = f"SMP's {name} cannot be dilated to stride {output_stride} ({error})"
                hint = "leave it out: a decoder that needs a finer map arranges it"
                raise InputError.of("output_stride", message, hint) from error
        strides = [min(2**level, output_stride) for level in range(1, depth + 1)]
        channels = self.encoder.out_channels[1:]
        # Transformers leave stride 2 empty, and a dilated encoder repeats its stride: the last of each is kept.
        self._kept = [i for i, stride in enumerate(strides) if channels[i] and stride not in strides[i + 1 :]]
        self.channels = tuple(int(channels[index]) for index in self._kept)
        self.strides = tuple(strides[index] for index in self._kept)
        self.in_channels = in_channels

    def _load(self, name: str, pretrained: bool | str, in_channels: int) -> None:
        known: dict[str, dict[str, str]] = smp.encoders.encoders[name]["pretrained_settings"]
        tag = "imagenet" if pretrained is True and "imagenet" in known else pretrained
        tag = next(iter(known), "") if tag is True else tag
        if tag not in known:
            hint = did_you_mean(str(tag), known, f"its weights: {', '.join(known) or 'none'}")
            raise InputError.of("pretrained", f"SMP has no weights {tag!r} of {name}", hint)
        place = {"repo_id": known[str(tag)]["repo_id"], "revision": known[str(tag)]["revision"]}

        def file(filename: str) -> Any:
            return require_weights(filename=filename, model=f"smp/{name}", option=None, **place)

        self.encoder.load_state_dict(load_file(file("model.safetensors"), device="cpu"))
        config = json.loads(file("config.json").read_text(encoding="utf-8"))
        self.mean = per_channel(config.get("mean", IMAGENET_MEAN), in_channels)
        self.std = per_channel(config.get("std", IMAGENET_STD), in_channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.encoder(images)[1:]
        return [maps[index] for index in self._kept]
