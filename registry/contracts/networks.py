"""The checks of backbones and models."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from ..engine.network.contract import at_rest, check_backbone, check_maps, describe_backbone, normalization_of
from ..errors import PluginError
from .subject import CLASSES, Subject
from .violations import ContractViolation, Inconclusive

#: Sides of images that are tried with a model, until it takes one.
_SIDES: Final = (64, 96, 224, 32, 256)


def maps(subject: Subject) -> None:
    """A backbone's maps have the channels and strides that it declares, with gradients and without."""
    backbone = subject.build()
    with _backbone_contract():
        declared = check_backbone(backbone, str(subject))
        size = (2 * declared.strides[-1], 3 * declared.strides[-1])
        check_maps(backbone.train()(torch.rand(2, 3, *size)), declared, size, str(subject))
    mean, _ = normalization_of(backbone)
    if len(mean) not in (1, 3):
        raise ContractViolation("mean_channels", f"{subject} names a mean of {len(mean)} channels, built for 3")


def in_channels(subject: Subject) -> None:
    """A backbone whose factory takes ``in_channels`` takes images of that many."""
    if not subject.takes("in_channels"):
        raise Inconclusive(f"{subject} does not take in_channels: images have 3")
    with _backbone_contract():
        check_backbone(subject.build(in_channels=1), str(subject), in_channels=1)


@contextmanager
def _backbone_contract() -> Iterator[None]:
    """Turn the framework's refusal of a backbone into a violation."""
    try:
        yield
    except PluginError as error:
        sentence = error.reason.startswith(("is ", "names "))
        what = f"{error.source} {error.reason}" if sentence else str(error)
        maps = "forward(x) returns a list of maps (B, channels[i], H/strides[i], W/strides[i]), finest first"
        raise ContractViolation("backbone_contract", what, hint=error.hint or maps) from error


def _images_for(subject: Subject, network: nn.Module, batch: int = 2) -> Tensor:
    """Images that the network takes."""
    noise = torch.Generator().manual_seed(7)
    if subject.component.kind == "backbones":
        side = 2 * max(describe_backbone(network).strides)
        return torch.randn(batch, 3, side, side, generator=noise)
    errors = []
    for side in _SIDES:
        try:
            with at_rest(network):
                network(torch.zeros(1, 3, side, side))
            return torch.randn(batch, 3, side, side, generator=noise)
        except Exception as error:
            errors.append(f"{side} x {side}: {type(error).__name__}: {error}")
    raise ContractViolation("image_size", f"{subject} takes images of no size that was tried: {errors[0]}")


def _outputs_of(subject: Subject, network: nn.Module, images: Tensor) -> list[Tensor]:
    """The maps, or the logits, as a list."""
    found = network(images)
    if isinstance(found, Tensor):
        return [found]
    is_model = subject.component.kind == "models"
    if is_model or not isinstance(found, Sequence):
        raise ContractViolation(
            "logits_type" if is_model else "maps_type", f"forward of {subject} returns {type(found).__name__}"
        )
    return list(found)


def logits(subject: Subject) -> None:
    """A model gives logits for every image, or for every pixel."""
    model = subject.build()
    images = _images_for(subject, model)
    (found,) = _outputs_of(subject, model.train(), images)
    whole, pixels = (2, CLASSES), (2, CLASSES, *images.shape[2:])
    if tuple(found.shape) not in (whole, pixels):
        raise ContractViolation(
            "logits_shape",
            f"{subject} gives logits of shape {tuple(found.shape)} for {CLASSES} classes and images "
            f"{tuple(images.shape)}",
            whole=whole,
            pixels=pixels,
        )


def num_classes(subject: Subject) -> None:
    """A model has as many outputs as the data have classes."""
    if not subject.takes("num_classes"):
        raise ContractViolation("num_classes_missing", f"{subject} does not take the number of classes")
    model = subject.build(num_classes=CLASSES + 4)
    with at_rest(model):
        (found,) = _outputs_of(subject, model, _images_for(subject, model))
    if found.shape[1] != CLASSES + 4:
        raise ContractViolation(
            "num_classes_ignored", f"{subject} gives {found.shape[1]} logits where the data have {CLASSES + 4} classes"
        )


def features(subject: Subject) -> None:
    """``features``, where there is one, gives a row for each image."""
    model = subject.build()
    if not hasattr(model, "features") or isinstance(model.features, nn.Module):
        raise Inconclusive(f"{subject} has no method features(x): PCA and t-SNE cannot be drawn of it")
    images = _images_for(subject, model)
    with at_rest(model):
        found = model.features(images)
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(images):
        shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ContractViolation("features_shape", f"features of {subject} gives {shown}")


def learns(subject: Subject) -> None:
    """A finite gradient reaches every parameter that requires one."""
    network = subject.build().eval()  # with every layer: in training some are skipped at random
    learning = {name: each for name, each in network.named_parameters() if each.requires_grad}
    if not learning:
        raise Inconclusive(f"{subject} has no parameters to train")
    found = _outputs_of(subject, network, _images_for(subject, network))
    if any(each.requires_grad for each in found):
        # Not the plain sum: behind a normalisation its gradient is zero.
        weights = [torch.randn(each.shape, generator=torch.Generator().manual_seed(1)) for each in found]
        sum((each.float() * weight).mean() for each, weight in zip(found, weights, strict=True)).backward()  # type: ignore[union-attr]
    unreached = [name for name, each in learning.items() if each.grad is None]
    if unreached:
        more = f" and {len(unreached) - 3} more" if len(unreached) > 3 else ""
        raise ContractViolation("no_gradient", f"no gradient reaches {', '.join(unreached[:3])}{more} in {subject}")
    infinite = [name for name, each in learning.items() if not torch.isfinite(each.grad).all()]  # type: ignore[arg-type]
    if infinite:
        raise ContractViolation("infinite_gradient", f"the gradient of {infinite[0]} in {subject} is not finite")


def one_by_one(subject: Subject) -> None:
    """In evaluation an image's output does not depend on the images beside it."""
    network = subject.build()
    images = _images_for(subject, network, batch=3)
    with at_rest(network):
        pairs = zip(*(_outputs_of(subject, network, each) for each in (images, images[:1])), strict=True)
        same = all(torch.allclose(together[:1], alone, rtol=1e-3, atol=1e-4) for together, alone in pairs)
    if not same:
        raise ContractViolation(
            "depends_on_batch",
            f"{subject} gives an image another output when other images are in the batch, in evaluation mode",
        )


def state(subject: Subject) -> None:
    """Weights can be written, and loaded into a network that was initialised differently."""
    one, other = subject.build(seed=0), subject.build(seed=1)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    try:
        other.load_state_dict(torch.load(file, weights_only=True))
    except Exception as error:
        raise ContractViolation("state_not_loaded", f"the state of {subject} cannot be loaded: {error}") from error
    images = _images_for(subject, one)
    with at_rest(one), at_rest(other):
        pairs = zip(*(_outputs_of(subject, network, images) for network in (one, other)), strict=True)
        same = all(torch.equal(a, b) for a, b in pairs)
    if not same:
        raise ContractViolation("state_incomplete", f"{subject} gives another output with the same weights loaded")


def seed(subject: Subject) -> None:
    """The same seed gives the same weights."""
    first, second = subject.build(seed=3).state_dict(), subject.build(seed=3).state_dict()
    different = [name for name in first if name not in second or not torch.equal(first[name], second[name])]
    if different or first.keys() != second.keys():
        raise ContractViolation(
            "initial_weights_seed",
            f"{subject} has different initial weights for the same seed ({', '.join(different[:3])})",
        )
