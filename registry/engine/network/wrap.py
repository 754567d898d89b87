"""Any convolutional network as a backbone: its maps are taken from inside, where it does not give them itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import torch
from torch import Tensor, nn

from ...errors import PluginError
from .contract import at_rest

#: Side of the images on which the maps are found, and a second one, which tells maps from what has a fixed size.
_SIDES: Final = (128, 192)

#: A module inside, by its name, and which of its calls in a forward pass is meant, from 1.
Place = tuple[str, int]


def as_backbone(net: nn.Module, in_channels: int = 3) -> nn.Module:
    """A network under the backbone contract: ``forward`` gives a list of maps, with ``channels`` and ``strides``.

    The maps are those that forward returns in a list, tuple or mapping. Where it returns one tensor, such as a
    classifier's logits, they are taken from inside: of each stride the output of the last module that has it.
    Parameters that no map depends on, such as a classifier's head, do not learn.

    Args:
        net: becomes a part of the backbone. Returned as it is, where it has ``channels`` and ``strides``.
        in_channels: channels of an image.

    Raises:
        PluginError: there are no maps.
    """
    if hasattr(net, "channels") and hasattr(net, "strides"):
        return net
    given = [_maps_of(_tried(net, in_channels, side)) for side in _SIDES]
    found = _scaled(dict(enumerate(given[0])), dict(enumerate(given[1])))
    if found:
        backbone: nn.Module = Returned(net, found)
    else:
        found = _scaled(*(_outputs_inside(net, in_channels, side) for side in _SIDES))
        backbone = FromInside(net, found)
    if not found:
        raise PluginError(
            type(net).__name__,
            "gives no feature maps (B, C, H, W), neither from forward nor from a module inside",
            "let forward(x) return a list of maps, finest first, and set self.channels and self.strides; convolutions "
            "need padding, so that an image of 128 x 128 gives maps of 64 x 64, 32 x 32, ...",
        )
    _leave_the_rest(backbone, in_channels)
    return backbone


class _Wrapped(nn.Module):
    """A network with maps at known places.

    Attributes:
        net: the network.
        channels, strides: of its maps, finest first.
        places: where they are.
    """

    def __init__(self, net: nn.Module, found: Mapping[Any, tuple[int, int]]) -> None:
        super().__init__()
        self.net = net
        self.places = tuple(found)
        self.channels = tuple(channels for channels, _ in found.values())
        self.strides = tuple(stride for _, stride in found.values())


class Returned(_Wrapped):
    """The maps that forward returns, put in order; places are their indices."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> maps, finest first."""
        maps = _maps_of(self.net(x))
        return [maps[place] for place in self.places]


class FromInside(_Wrapped):
    """The outputs of modules inside; what comes after the last of them is not computed."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> maps, finest first."""
        caught: dict[Place, Tensor] = {}

        def take(place: Place, output: Any) -> None:
            if place in self.places:
                caught[place] = output
                if len(caught) == len(self.places):
                    raise _Enough

        with _listening(self.net, take, {name for name, _ in self.places}), suppress(_Enough):
            self.net(x)
        return [caught[place] for place in self.places]


class _Enough(Exception):
    """Every map is there."""


@contextmanager
def _listening(net: nn.Module, take: Callable[[Place, Any], None], names: set[str] | None = None) -> Iterator[None]:
    """Hand over the outputs of the modules inside, of those named or of all, as they come."""
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            calls[name] += 1
            take((name, calls[name]), output)

        return hook

    modules = [(name, module) for name, module in net.named_modules() if name and (names is None or name in names)]
    hooks = [module.register_forward_hook(hook_of(name)) for name, module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _tried(net: nn.Module, in_channels: int, side: int) -> Any:
    """What the network makes of a black image; None where it takes none of that size."""
    with at_rest(net), suppress(Exception):  # a classifier for images of one size still has maps inside
        return net(torch.zeros(1, in_channels, side, side))


def _maps_of(output: Any) -> list[Tensor]:
    """The maps in what forward returned; none where it is not a collection of maps alone."""
    parts = list(output.values()) if isinstance(output, Mapping) else output
    if not isinstance(parts, Sequence) or not all(isinstance(part, Tensor) and part.dim() == 4 for part in parts):
        return []
    return list(parts)


def _outputs_inside(net: nn.Module, in_channels: int, side: int) -> dict[Any, Tensor]:
    """The outputs of the modules inside that are maps, in the order in which they come."""
    found: dict[Any, Tensor] = {}

    def take(place: Place, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            found[place] = output

    with _listening(net, take):
        _tried(net, in_channels, side)
    return found


def _scaled(small: Mapping[Any, Tensor], large: Mapping[Any, Tensor]) -> dict[Any, tuple[int, int]]:
    """Place -> (channels, stride) of the maps that grow with the image, the last one of each stride, finest first."""
    last: dict[int, tuple[Any, int]] = {}
    for place, output in small.items():
        stride, again = _SIDES[0] // max(output.shape[-1], 1), large.get(place)
        sizes = [tuple(each.shape[2:]) for each in (output, again) if each is not None]
        if stride and sizes == [(side / stride, side / stride) for side in _SIDES]:
            last[stride] = (place, output.shape[1])
    return {place: (channels, stride) for stride, (place, channels) in sorted(last.items())}


def _leave_the_rest(backbone: nn.Module, in_channels: int) -> None:
    """Parameters that the maps do not depend on stand still, so that nobody waits for their gradients."""
    learning = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    with at_rest(backbone), torch.enable_grad():
        maps = backbone(torch.randn(1, in_channels, _SIDES[0], _SIDES[0], generator=torch.Generator().manual_seed(0)))
    if learning and any(each.requires_grad for each in maps):
        total = torch.stack([each.sum() for each in maps]).sum()
        for parameter, gradient in zip(learning, torch.autograd.grad(total, learning, allow_unused=True), strict=True):
            parameter.requires_grad_(gradient is not None)
