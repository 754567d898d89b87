"""segmentation_models_pytorch by name, ``smp/NAME``: architectures over any backbone, its own encoders, its losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from registry import Backbone, ComponentSpec, FromData, Parameter, Range, SuppliedByRun, Zoo, introspect

from . import names

if TYPE_CHECKING:
    from torch import nn

#: What the run supplies, or what a backbone takes the place of.
_HIDDEN: Final = {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params", "kwargs"}
#: DPT over maps instead of a transformer's tokens has no class token to read out, and always four maps.
_HIDDEN_IN: Final = {"dpt": {"encoder_depth", "encoder_output_indices", "decoder_readout"}}
#: A loss gets logits, the layout (B, classes, ...) and its mode from the wrapper.
_HIDDEN_IN_LOSSES: Final = {"mode", "from_logits", "ignore_index", "dim"}


_SuppliedLabel = Annotated[int | None, SuppliedByRun()]


def _architecture(name: str, **arguments: Any) -> nn.Module:
    from .models import build

    return build(names.architectures()["names"][name], **arguments)


def _model(name: str) -> ComponentSpec:
    offered = names.architectures()
    target = offered["names"][name]
    hidden = _HIDDEN | _HIDDEN_IN.get(name, set())
    ours = (
        Parameter("backbone", Backbone, doc="any backbone; scales that it lacks are filled in"),
        Parameter("num_classes", FromData[int], doc="number of classes"),
    )
    theirs = introspect.parameters_of(target, offered["classes"], skip=hidden)
    doc = f"{target} over any backbone.\n\n{names.summary(offered['classes'][target]['doc'])}"
    return ComponentSpec(_architecture, (*ours, *theirs), doc, {"name": name})


def encoder(
    name: str,
    *,
    pretrained: bool | str = False,
    in_channels: FromData[int] = 3,
    depth: Annotated[int, Range(1, 5)] = 5,
    output_stride: Literal[8, 16, 32] = 32,
) -> nn.Module:
    """One of segmentation_models_pytorch's own encoders as a backbone.

    Args:
        pretrained: true for ImageNet weights, or the tag of others.
        in_channels: channels of an image; pretrained first layers are adapted.
        depth: maps wanted, the coarsest of stride 2 ** depth.
        output_stride: stride of the coarsest map, by dilation as SMP does it.
    """
    from .encoders import SmpBackbone

    return SmpBackbone(name, pretrained=pretrained, in_channels=in_channels, depth=depth, output_stride=output_stride)


def _details(name: str) -> Mapping[str, str]:
    tags = names.encoders().get(name, {})
    return {"weights": ", ".join(tags) or "none"}


def _look_for_weights(name: str, arguments: Mapping[str, Any]) -> None:
    """Find missing weights out before SMP is imported: that alone takes longer than the answer."""
    pretrained, known = arguments.get("pretrained"), names.encoders().get(name, {})
    tag = pretrained if isinstance(pretrained, str) else "imagenet" if "imagenet" in known else next(iter(known), "")
    repository, revision = known.get(tag, ["", ""])
    if pretrained and repository:
        from registry.engine import require_weights

        model = f"smp/{name}"
        require_weights(repository, "model.safetensors", model=model, revision=revision or None, option=None)


def _backbone(name: str) -> ComponentSpec:
    return ComponentSpec.of(
        encoder,
        bind={"name": name},
        details=lambda: _details(name),
        preflight=lambda arguments: _look_for_weights(name, arguments),
    )


def _criterion(name: str, **arguments: Any) -> nn.Module:
    from .losses import SegmentationLoss

    return SegmentationLoss(names.losses()["names"][name], **arguments)


def _loss(name: str) -> ComponentSpec:
    offered = names.losses()
    target = offered["names"][name]
    theirs = (
        _loss_parameter(each) for each in introspect.parameters_of(target, offered["classes"], skip=_HIDDEN_IN_LOSSES)
    )
    ours = (
        Parameter("num_classes", FromData[int], doc="number of classes; 1 makes the loss a binary one"),
        Parameter("ignore_index", _SuppliedLabel, None, "pixels with this label are left out of the loss"),
    )
    doc = names.summary(offered["classes"][target]["doc"])
    return ComponentSpec(_criterion, (*theirs, *ours), doc, {"name": name})


def _loss_parameter(parameter: Parameter) -> Parameter:
    """SMP's own annotations, narrowed to what works: numbers from a recipe for tensors, a scalar for a loss."""
    match parameter.name:
        case "reduction":
            return Parameter("reduction", Literal["mean", "sum"], parameter.default, parameter.doc)
        case "weight" | "pos_weight":
            doc = parameter.doc or "a factor for each class" + (
                ", for its own pixels only" * (parameter.name != "weight")
            )
            return Parameter(parameter.name, list[float] | None, None, doc)
        case "smooth_factor":
            # SMP's default, None, makes its cross-entropy fail; 0 means the same and works.
            return Parameter("smooth_factor", Annotated[float, Range(0, 1)], 0.0, parameter.doc)
    return parameter


def _architecture_names() -> list[str]:
    return sorted(names.architectures()["names"])


def _loss_names() -> list[str]:
    return sorted(names.losses()["names"])


models = Zoo(
    names=_architecture_names,
    spec=_model,
    summary="Every SMP segmentation architecture, over any backbone.",
    example="unet",
)
backbones = Zoo(names=names.encoders, spec=_backbone, summary="SMP's own encoders as backbones.", example="resnet18")
losses = Zoo(names=_loss_names, spec=_loss, summary="Every SMP segmentation loss.", example="dice")

__all__ = ["backbones", "losses", "models"]
