"""timm's models by name, ``timm/NAME``: every architecture, alone or with the tag of its weights (``NAME.TAG``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from registry import ComponentSpec, FromData, InputError, Probability, Range, Zoo, did_you_mean

from .facts import Kind, facts
from .names import holds, names, weights_by_tag

if TYPE_CHECKING:
    from torch import nn


def backbone(
    name: str,
    *,
    pretrained: bool | str = False,
    weights: Path | None = None,
    in_channels: FromData[int] = 3,
    output_stride: Literal[8, 16, 32] | None = None,
    out_indices: list[int] | None = None,
    image_size: Annotated[int, Range(16)] | None = None,
    drop_path_rate: Probability = 0.0,
) -> nn.Module:
    """A timm model as a backbone: its feature maps, the last one of each stride.

    Args:
        pretrained: true for timm's default weights, or the tag of others (``a1_in1k``).
        weights: a local file of weights of this architecture (.safetensors, .pth) instead.
        in_channels: channels of an image; pretrained first layers are adapted.
        output_stride: stride of the coarsest map, where timm offers it for the architecture.
        out_indices: timm's numbers of the maps wanted; default every stride that there is.
        image_size: what a transformer's position embedding is made for; default that of its weights. Other sizes work.
        drop_path_rate: stochastic depth (Huang et al., 2016).
    """
    from .modules import TimmBackbone

    return TimmBackbone(
        name,
        pretrained=pretrained,
        weights=weights,
        in_channels=in_channels,
        output_stride=output_stride,
        out_indices=out_indices,
        image_size=image_size,
        drop_path_rate=drop_path_rate,
    )


def model(
    name: str,
    *,
    num_classes: FromData[int],
    pretrained: bool | str = False,
    weights: Path | None = None,
    in_channels: FromData[int] = 3,
    image_size: Annotated[int, Range(16)] | None = None,
    drop_rate: Probability = 0.0,
    drop_path_rate: Probability = 0.0,
) -> nn.Module:
    """A timm model as a classifier, with a new last layer unless its weights have as many classes.

    Args:
        num_classes: number of classes.
        pretrained: true for timm's default weights, or the tag of others (``a1_in1k``).
        weights: a local file of weights of this architecture (.safetensors, .pth) instead.
        in_channels: channels of an image; pretrained first layers are adapted.
        image_size: what a transformer's position embedding is made for; default that of its weights. Other sizes work.
        drop_rate: dropout before the last layer.
        drop_path_rate: stochastic depth (Huang et al., 2016).
    """
    from .modules import TimmClassifier

    return TimmClassifier(
        name,
        num_classes=num_classes,
        pretrained=pretrained,
        weights=weights,
        in_channels=in_channels,
        image_size=image_size,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
    )


def _look_for_weights(name: str, arguments: Mapping[str, Any]) -> None:
    """Find missing weights out before timm is imported: that alone takes longer than the answer."""
    architecture, _, tag = name.partition(".")
    pretrained = arguments.get("pretrained")
    if not pretrained or arguments.get("weights") is not None:
        return
    known = weights_by_tag().get(architecture, {})
    wanted = pretrained if isinstance(pretrained, str) else tag or next(iter(known), "")
    if isinstance(pretrained, str) and wanted not in known:
        hint = did_you_mean(wanted, known, f"its tags: {', '.join(known) or 'none'}; true takes the default")
        raise InputError.of("pretrained", f"timm has no weights {wanted!r} of {architecture}", hint)
    weights = known.get(wanted, {})
    if "hf_hub_id" in weights:
        from registry.engine import HUB_FILES, require_weights

        model = f"timm/{architecture}.{wanted}" if wanted else f"timm/{architecture}"
        file = weights.get("hf_hub_filename")
        require_weights(weights["hf_hub_id"], [file] if file else HUB_FILES, model=model)


def _window(kind: Kind, factory: Callable[..., Any], name: str) -> ComponentSpec:
    return ComponentSpec.of(
        factory,
        bind={"name": name},
        details=lambda: facts(kind, name),
        preflight=lambda arguments: _look_for_weights(name, arguments),
    )


def _backbone(name: str) -> ComponentSpec:
    return _window("backbones", backbone, name)


def _model(name: str) -> ComponentSpec:
    return _window("models", model, name)


backbones = Zoo(names=names, holds=holds, spec=_backbone, summary="Every timm model as a backbone.", example="resnet18")
models = Zoo(names=names, holds=holds, spec=_model, summary="Every timm model as a classifier.", example="resnet18")

__all__ = ["backbone", "backbones", "model", "models"]
