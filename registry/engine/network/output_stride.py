"""A finer last map from any backbone: strides turned into dilation (a-trous), or else the maps upsampled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ...errors import PluginError
from .contract import Maps, Size, at_rest, check_maps, describe_backbone, trial_size

#: (height, width) before and after a module, for each time that it ran.
Calls = dict[nn.Module, set[tuple[Size, Size]]]


class CannotDilate(Exception):
    """Why a backbone's strides cannot be turned into dilation."""


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
    declared = describe_backbone(backbone)
    wanted = Maps(declared.channels, tuple(min(stride, output_stride) for stride in declared.strides))
    size = trial_size(backbone, declared)
    with at_rest(backbone):
        image, calls = trace(backbone, size)
        conversion = Conversion(backbone, output_stride)
        try:
            conversion.apply(calls, size, declared.strides[-1])
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
        check_maps(backbone(image), wanted, (image.shape[-2], image.shape[-1]), "the dilated network")
    except PluginError as error:
        reason = "something other than a Conv2d or pooling module changes their size"
        raise CannotDilate(f"its maps did not come out at strides {wanted.strides}: {reason}") from error
    except Exception as error:
        raise CannotDilate(f"the dilated network fails: {type(error).__name__}: {error}") from error


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


class _Watch(TorchFunctionMode):
    """Detects attention: it mixes positions by their content, which dilation cannot undo."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in ("scaled_dot_product_attention", "multi_head_attention_forward"):
            self.attention = True
        elif name == "softmax" and args and isinstance(args[0], Tensor):
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            # Selective kernels and split attention take the softmax over branches, never over the last axis.
            self.attention = self.attention or dim in (-1, args[0].dim() - 1)
        return func(*args, **kwargs)


def trace(backbone: nn.Module, size: Size) -> tuple[Tensor, Calls]:
    """Run a black image of `size` through the backbone: the image, and what each convolution and pooling did.

    Raises:
        CannotDilate: the backbone takes no image of this size, or uses attention.
    """
    calls: Calls = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            before, after = inputs[0].shape[-2:], output.shape[-2:]
            calls.setdefault(module, set()).add(((before[0], before[1]), (after[0], after[1])))

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    handles = [each.register_forward_hook(note) for each in backbone.modules() if isinstance(each, kinds)]
    parameter = next(backbone.parameters(), torch.empty(0))
    reason: Exception | None = None
    try:
        for channels in _input_channels(backbone):
            image = torch.zeros(1, channels, *size, device=parameter.device, dtype=parameter.dtype)
            calls.clear()
            try:
                with _Watch() as watch:
                    backbone(image)
            except Exception as error:
                reason = error
                continue
            if watch.attention:
                raise CannotDilate("it uses attention")
            return image, calls
    finally:
        for handle in handles:
            handle.remove()
    raise CannotDilate(f"it takes no image of {size[0]} x {size[1]}: {type(reason).__name__}: {reason}")


def _input_channels(backbone: nn.Module) -> list[int]:
    # The contract does not say, so try: the module's own attribute, what its first convolution takes, colour.
    own = getattr(backbone, "in_channels", None)
    first = next((each.in_channels for each in backbone.modules() if isinstance(each, nn.Conv2d)), 3)
    return list(dict.fromkeys(number for number in (own, first, 3) if isinstance(number, int)))


class Conversion:
    """The changes made to a backbone, and the way back.

    Args:
        backbone: changed in place.
        output_stride: the coarsest stride that is kept.
    """

    def __init__(self, backbone: nn.Module, output_stride: int) -> None:
        self.backbone = backbone
        self.output_stride = output_stride
        self._undo: list[Callable[[], object]] = []

    def undo(self) -> None:
        """Restore the backbone as it was before `apply`."""
        while self._undo:
            self._undo.pop()()

    def apply(self, calls: Calls, size: Size, coarsest: int) -> None:
        """Convert every module whose output is coarser than `output_stride`.

        Args:
            calls: from `trace`, with an image of `size`.
            coarsest: the coarsest stride that counts as a map; what lies beyond is pooled and left alone.
        """
        names = {module: name for name, module in self.backbone.named_modules()}
        for module, seen in calls.items():
            scales = {(_stride(size, before), _stride(size, after)) for before, after in seen}
            inside = {scale for scale in scales if scale[0] and scale[1] and scale[1] <= coarsest}
            if not any(after > self.output_stride for _, after in inside):
                continue
            if len(scales) > 1:
                raise CannotDilate(f"its module {names[module]!r} is used at several scales")
            self._convert(module, names[module], *inside.pop(), seen)

    def _convert(self, module: nn.Module, name: str, before: int, after: int, seen: set[tuple[Size, Size]]) -> None:
        if any(max(each, self.output_stride) % min(each, self.output_stride) for each in (before, after)):
            raise CannotDilate(f"stride {after} is not a multiple of {self.output_stride}")
        factor = max(1, before // self.output_stride)
        stride = min(after, self.output_stride) // min(before, self.output_stride)
        geometry = _Geometry(module)
        if stride == _pair(module.stride)[0] and (factor == 1 or geometry.kernel == (1, 1)):
            return
        if getattr(module, "padding_mode", "zeros") != "zeros" or getattr(module, "return_indices", False):
            raise CannotDilate(f"its module {name!r} pads by {getattr(module, 'padding_mode', 'indices')}")
        pads = tuple(geometry.pads(axis, factor, stride) for axis in (0, 1))
        if isinstance(module, nn.AvgPool2d):
            self._replace(name, DilatedAvgPool2d(module, stride, factor, (*pads[1], *pads[0])))
            return
        self._set(module, "stride", (stride, stride))
        self._set(module, "dilation", (geometry.dilation[0] * factor, geometry.dilation[1] * factor))
        if geometry.pads_itself(seen):
            return  # 'same' padding computed anew from stride and dilation at each call
        # torch compares the padding of a pooling with its kernel as if that had no holes.
        widest = [side // 2 for side in geometry.kernel] if isinstance(module, nn.MaxPool2d) else [max(max(pads))] * 2
        if all(low == high <= most for (low, high), most in zip(pads, widest, strict=True)):
            self._set(module, "padding", (pads[0][0], pads[1][0]))
            return
        self._set(module, "padding", (0, 0))
        value = float("-inf") if isinstance(module, nn.MaxPool2d) else 0.0
        handle = module.register_forward_pre_hook(_PadBefore((*pads[1], *pads[0]), value))
        self._undo.append(handle.remove)

    def _set(self, module: nn.Module, attribute: str, value: Any) -> None:
        old = getattr(module, attribute)
        self._undo.append(lambda: setattr(module, attribute, old))
        setattr(module, attribute, value)

    def _replace(self, name: str, new: nn.Module) -> None:
        parent, _, leaf = name.rpartition(".")
        holder = self.backbone.get_submodule(parent)
        old = holder.get_submodule(leaf)
        self._undo.append(lambda: holder.register_module(leaf, old))
        holder.register_module(leaf, new)


class _Geometry:
    """Kernel, dilation and padding of a convolution or pooling module, as pairs."""

    def __init__(self, module: nn.Module) -> None:
        self.kernel = _pair(module.kernel_size)
        self.stride = _pair(module.stride)
        self.dilation = _pair(getattr(module, "dilation", 1))
        self.same = module.padding == "same"
        self.ceil = bool(getattr(module, "ceil_mode", False))
        self.padding = (0, 0) if isinstance(module.padding, str) else _pair(module.padding)

    def pads(self, axis: int, factor: int, stride: int) -> Size:
        """Zeros before and after: as far before as the weights reached, and after what keeps the size."""
        reach = self.dilation[axis] * factor * (self.kernel[axis] - 1)
        before = self.padding[axis] * factor
        return before, max(0, reach - before - (stride - 1))

    def pads_itself(self, seen: set[tuple[Size, Size]]) -> bool:
        """Whether the sizes seen are not those that the module's own numbers give."""
        return self.same or any(
            after[axis] != self._length(before[axis], axis) for before, after in seen for axis in (0, 1)
        )

    def _length(self, before: int, axis: int) -> int:
        room = before + 2 * self.padding[axis] - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        return (-(-room // self.stride[axis]) if self.ceil else room // self.stride[axis]) + 1


class _PadBefore:
    """A forward-pre hook that pads: a module's own padding is the same on both sides."""

    def __init__(self, padding: tuple[int, ...], value: float) -> None:
        self.padding = padding
        self.value = value

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (F.pad(inputs[0], self.padding, value=self.value), *inputs[1:])


class DilatedAvgPool2d(nn.Module):
    """Average pooling with dilation, which `nn.AvgPool2d` does not offer.

    Args:
        pool: the module to replace.
        stride: the new stride.
        dilation: distance between the values averaged.
        padding: zeros (left, right, top, bottom); counted only where `pool` counted its own.
    """

    def __init__(self, pool: nn.AvgPool2d, stride: int, dilation: int, padding: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = _pair(pool.kernel_size)
        self.stride, self.dilation, self.padding = stride, dilation, padding
        self.count_padding = bool(pool.count_include_pad) and _pair(pool.padding) != (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        total = self._sum(x)
        if self.count_padding:
            return total / (self.kernel[0] * self.kernel[1])
        return total / self._sum(torch.ones_like(x[:1, :1]))

    def _sum(self, x: Tensor) -> Tensor:
        ones = x.new_ones(x.shape[1], 1, *self.kernel)
        padded = F.pad(x, self.padding)
        return F.conv2d(padded, ones, stride=self.stride, dilation=self.dilation, groups=x.shape[1])


def _pair(value: Any) -> Size:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _stride(size: Size, found: Size) -> int:
    """Image size over map size when whole and equal in both directions, else 0."""
    strides = {side // part if part and side % part == 0 else 0 for side, part in zip(size, found, strict=True)}
    return strides.pop() if len(strides) == 1 else 0
