"""The a-trous conversion itself: find what downsamples, and exchange stride for dilation, reversibly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]
#: (height, width) before and after a module, for each time that it ran.
Calls = dict[nn.Module, set[tuple[Pair, Pair]]]


class CannotDilate(Exception):
    """Why a backbone's strides cannot be turned into dilation."""


class _Watch(TorchFunctionMode):
    """Notices attention: it mixes positions by their content, which dilation cannot thin out again."""

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


def trace(backbone: nn.Module, size: Pair) -> tuple[Tensor, Calls]:
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
    # The contract does not tell, so ask: what the module says, what its first convolution takes, colour.
    told = getattr(backbone, "in_channels", None)
    first = next((each.in_channels for each in backbone.modules() if isinstance(each, nn.Conv2d)), 3)
    return list(dict.fromkeys(number for number in (told, first, 3) if isinstance(number, int)))


class Conversion:
    """The changes made to a backbone, and the way back.

    Args:
        backbone: changed in place.
        output_stride: the coarsest stride to be left.
    """

    def __init__(self, backbone: nn.Module, output_stride: int) -> None:
        self.backbone = backbone
        self.output_stride = output_stride
        self._undo: list[Callable[[], object]] = []

    def undo(self) -> None:
        """Restore the backbone as it was before `apply`."""
        while self._undo:
            self._undo.pop()()

    def apply(self, calls: Calls, size: Pair, coarsest: int) -> None:
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

    def _convert(self, module: nn.Module, name: str, before: int, after: int, seen: set[tuple[Pair, Pair]]) -> None:
        if any(max(each, self.output_stride) % min(each, self.output_stride) for each in (before, after)):
            raise CannotDilate(f"stride {after} is no multiple of {self.output_stride}")
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

    def pads(self, axis: int, factor: int, stride: int) -> Pair:
        """Zeros before and after: as far before as the weights reached, and after what keeps the size."""
        reach = self.dilation[axis] * factor * (self.kernel[axis] - 1)
        before = self.padding[axis] * factor
        return before, max(0, reach - before - (stride - 1))

    def pads_itself(self, seen: set[tuple[Pair, Pair]]) -> bool:
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
    """Average pooling with holes, which `nn.AvgPool2d` does not offer.

    Args:
        pool: the module to stand in for.
        stride: the new stride.
        dilation: distance between the values averaged.
        padding: zeros (left, right, top, bottom); counted only where `pool` counted its own.
    """

    def __init__(self, pool: nn.AvgPool2d, stride: int, dilation: int, padding: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = _pair(pool.kernel_size)
        self.stride = stride
        self.dilation = dilation
        self.padding = padding
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


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _stride(size: Pair, found: Pair) -> int:
    """Image size over map size when whole and equal in both directions, else 0."""
    height, width = found
    if not height or not width or size[0] % height or size[1] % width or size[0] // height != size[1] // width:
        return 0
    return size[0] // height
