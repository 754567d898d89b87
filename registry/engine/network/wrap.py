"""Any convolutional network as a backbone: its maps are taken from inside, where it does not return them itself."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from ...errors import PluginError
from .contract import Size, at_rest

#: Sides of the two images that tell maps, which grow with the image, from what has a fixed size.
_SIDES: Final = (128, 192)
#: Sides that are tried where the network takes neither and does not say which one it takes.
_USUAL_SIDES: Final = (224, 32, 64, 96, 256, 384, 28, 48, 112, 160, 299, 512)
#: Names under which networks keep the size of their images.
_SIZE_NAMES: Final = ("img_size", "image_size", "input_size")
#: Share of the parameters behind the last map above which too much of the network would be lost.
_TOLERATED: Final = 0.1
_INSTEAD: Final = (
    "let forward(x) return a list of maps (B, C, H, W), finest first, and set self.channels and self.strides; "
    "tokens become a map by x.transpose(1, 2).reshape(B, C, H, W)"
)

#: A module inside, by its name, and which of its calls in a forward pass is meant, from 1.
Location = tuple[str, int]


def as_backbone(net: nn.Module, in_channels: int = 3, *, image_size: int | None = None) -> nn.Module:
    """A network under the backbone contract: ``forward`` returns a list of maps, with ``channels`` and ``strides``.

    The maps are those that forward returns in a list, tuple or mapping. Where it returns one tensor, such as a
    classifier's logits, they are taken from inside: of each stride the output of the last module that has it. A
    warning then names the modules, and the share of the parameters that no map depends on, such as a classifier's
    head; these are frozen. A network for images of one size, such as one with a position embedding, gives a backbone
    for that size, in its attribute ``fixed_size``.

    Args:
        net: becomes a part of the backbone. Returned as it is, where it has ``channels`` and ``strides``.
        in_channels: channels of an image.
        image_size: side of the images that the network takes; default what it says itself, or whatever it takes.

    Raises:
        PluginError: there are no maps, or a large part of the network lies behind the last one.
    """
    if hasattr(net, "channels") and hasattr(net, "strides"):
        return net
    traces = [_trace(net, in_channels, side) for side in _SIDES]
    whole, reason = traces[0], next((each.error for each in traces if each.error), None)
    found = _find_maps(traces)
    fixed = False
    if image_size is not None or reason:
        whole = _whole_trace(net, in_channels, image_size)
        # What fails behind the last map, such as a linear layer over all pixels, does not matter.
        fixed = _find_maps([whole]) != found
        found = _find_maps([whole])
    kind, maps = found
    if not maps:
        raise PluginError(type(net).__name__, "has no feature maps (B, C, H, W), in forward or inside", _INSTEAD)
    backbone = kind(net, maps)
    if fixed:
        backbone.fixed_size = (whole.side, whole.side)
    _freeze_unused(backbone, whole, in_channels, reason if fixed else None)
    return backbone


class _Wrapped(nn.Module):
    """A network with maps at known locations.

    Attributes:
        net: the network.
        channels, strides: of its maps, finest first.
        locations: where they are.
        fixed_size: (H, W) of the only images that it takes; None where any size will do.
    """

    fixed_size: Size | None = None

    def __init__(self, net: nn.Module, found: Mapping[Any, tuple[int, int]]) -> None:
        super().__init__()
        self.net = net
        self.locations = tuple(found)
        self.channels = tuple(channels for channels, _ in found.values())
        self.strides = tuple(stride for _, stride in found.values())


class Returned(_Wrapped):
    """The maps that forward returns, put in order; locations are their indices."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> maps, finest first."""
        maps = _returned_maps(self.net(x))
        return [maps[location] for location in self.locations]


class FromInside(_Wrapped):
    """The outputs of modules inside; what comes after the last of them is not computed."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) images -> maps, finest first."""
        captured: dict[Location, Tensor] = {}

        def capture(location: Location, _inputs: Any, output: Any) -> None:
            if location in self.locations:
                captured[location] = output
                if len(captured) == len(self.locations):
                    raise _Enough

        with _hooked(self.net, capture, {name for name, _ in self.locations}), suppress(_Enough):
            self.net(x)
        return [captured[location] for location in self.locations]


class _Enough(Exception):
    """Every map is there."""


@dataclass
class _Trace:
    """A forward pass of a black image.

    Args:
        side: of the image.
        returned: number -> map, of those that forward returned.
        inside: the outputs of the modules inside that are maps, in the order in which they come.
        spatial: names of the modules that go from more than one position of the image to more than one.
        error: why the pass ended early.
    """

    side: int
    returned: dict[Any, Tensor] = field(default_factory=dict)
    inside: dict[Any, Tensor] = field(default_factory=dict)
    spatial: set[str] = field(default_factory=set)
    error: str | None = None


def _trace(net: nn.Module, in_channels: int, side: int) -> _Trace:
    trace = _Trace(side)

    def note(location: Location, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and not _is_resized(net.get_submodule(location[0])):
            trace.inside[location] = output
        if _positions(output) > 1 and any(_positions(each) > 1 for each in inputs):
            trace.spatial.add(location[0])

    with at_rest(net), _hooked(net, note):
        try:
            trace.returned = dict(enumerate(_returned_maps(net(torch.zeros(1, in_channels, side, side)))))
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            trace.error = f"an image of {side} x {side} fails with {type(error).__name__}: {reason}"
    return trace


def _whole_trace(net: nn.Module, in_channels: int, image_size: int | None) -> _Trace:
    """A forward pass that reaches the network's end.

    Raises:
        PluginError: there is none, with images of the size given, of the network's own, or of usual sizes.
    """
    own = [size for name in _SIZE_NAMES if (size := _side(getattr(net, name, None)))]
    errors = []
    for side in [image_size] if image_size else [*own, *_USUAL_SIDES]:
        trace = _trace(net, in_channels, side)
        if trace.error is None:
            return trace
        errors.append(trace.error)
    raise PluginError(
        type(net).__name__,
        f"takes images of no size that was tried, so that its maps cannot be found: {errors[0]}",
        "name the side of the images that it takes: as_backbone(net, image_size=...)",
    )


def _side(value: Any) -> int | None:
    """The side of square images, from ``64``, ``(64, 64)`` or ``(3, 64, 64)``."""
    last = value[-1] if isinstance(value, Sequence) and value else value
    return last if isinstance(last, int) and not isinstance(last, bool) and last > 0 else None


@contextmanager
def _hooked(
    net: nn.Module, receive: Callable[[Location, Any, Any], None], names: set[str] | None = None
) -> Iterator[None]:
    """Call `receive` with the location, inputs and output of the modules inside, of those named or of all."""
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] += 1
            receive((name, calls[name]), inputs, output)

        return hook

    modules = [(name, module) for name, module in net.named_modules() if name and (names is None or name in names)]
    hooks = [module.register_forward_hook(hook_of(name)) for name, module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _returned_maps(output: Any) -> list[Tensor]:
    """The maps in what forward returned; none where it is not a collection of maps alone."""
    parts = list(output.values()) if isinstance(output, Mapping) else output
    if not isinstance(parts, Sequence) or not all(isinstance(part, Tensor) and part.dim() == 4 for part in parts):
        return []
    return list(parts)


def _is_resized(module: nn.Module) -> bool:
    """Whether the output's size is the module's own choice, whatever the image's."""
    return isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d))


def _positions(value: Any) -> int:
    """Positions of the image in (B, C, H, W) maps or (B, N, C) tokens; one in anything else."""
    if isinstance(value, (tuple, list)):
        return max(map(_positions, value), default=1)
    if not isinstance(value, Tensor):
        return 1
    return value.shape[2] * value.shape[3] if value.dim() == 4 else max(value.shape[:2]) if value.dim() == 3 else 1


def _find_maps(traces: Sequence[_Trace]) -> tuple[type[Returned] | type[FromInside], dict[Any, tuple[int, int]]]:
    """Where the maps are, and location -> (channels, stride): of each stride the last one, finest first."""
    for kind in (Returned, FromInside):
        outputs = [each.returned if kind is Returned else each.inside for each in traces]
        first, *others = [_strides(each, trace.side) for each, trace in zip(outputs, traces, strict=True)]
        last = {stride: at for at, stride in first.items() if all(each.get(at) == stride for each in others)}
        if last:
            break
    return kind, {at: (outputs[0][at].shape[1], stride) for stride, at in sorted(last.items())}


def _strides(outputs: Mapping[Any, Tensor], side: int) -> dict[Any, int]:
    """Location -> stride of the square maps whose side divides the image's."""
    sizes = {location: tuple(output.shape[2:]) for location, output in outputs.items()}
    return {each: side // h for each, (h, w) in sizes.items() if h == w and h > 1 and side % h == 0}


def _freeze_unused(backbone: _Wrapped, whole: _Trace, in_channels: int, reason: str | None) -> None:
    """Freeze the parameters that no map depends on, so that nobody waits for their gradients, and report them.

    Raises:
        PluginError: too many of them work on the image's positions: they are not a head, but the network's body.
    """
    learning = {name: each for name, each in backbone.net.named_parameters() if each.requires_grad}
    noise = torch.randn(1, in_channels, whole.side, whole.side, generator=torch.Generator().manual_seed(0))
    with at_rest(backbone), torch.enable_grad():
        maps = [each for each in backbone(noise) if each.requires_grad]
        if not maps or not learning:
            return
        gradients = torch.autograd.grad([each.sum() for each in maps], [*learning.values()], allow_unused=True)
    unused = {name for name, gradient in zip(learning, gradients, strict=True) if gradient is None}
    lost = {name for name in unused if _called_part(name, whole) in whole.spatial}
    total = sum(each.numel() for each in backbone.net.parameters())
    shares = [sum(learning[name].numel() for name in names) / max(total, 1) for names in (unused, lost)]
    inside = dict.fromkeys(name for name, _ in backbone.locations) if isinstance(backbone, FromInside) else ["forward"]
    origin = ", ".join(inside)
    if shares[1] > _TOLERATED:
        parts = list(dict.fromkeys(_called_part(name, whole) for name in learning if name in lost))
        raise PluginError(
            type(backbone.net).__name__,
            f"its maps at strides {backbone.strides} come from {origin}, and {shares[1]:.0%} of its parameters would "
            f"be unused: what {parts[0]} and {len(parts) - 1} more compute is not a map (B, C, H, W) of its own stride",
            _INSTEAD,
        )
    for name in unused:
        learning[name].requires_grad_(False)
    if isinstance(backbone, FromInside) or unused:
        size = f"; it takes images of {whole.side} x {whole.side} only ({reason})" if backbone.fixed_size else ""
        warnings.warn(
            f"{type(backbone.net).__name__} as a backbone: maps at strides {backbone.strides} from {origin}; "
            f"{shares[0]:.1%} of its parameters are unused and stay frozen{size}",
            UserWarning,
            stacklevel=3,
        )


def _called_part(parameter: str, whole: _Trace) -> str:
    """The innermost module around a parameter that was seen to work on positions, else the one that holds it."""
    parts = parameter.split(".")[:-1]
    around = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((name for name in around if name in whole.spatial), ".".join(parts))
