"""The part of the framework that computes. Names load when they are asked for: reading a picture needs no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.colors import colorize, distinct_colors, overlay
    from .data.images import UnreadableImage, image_size, read_color_mask, read_image, read_index_mask
    from .network.contract import check_backbone, normalization_of
    from .network.dilate import with_output_stride
    from .network.pretrained import require_weights
    from .network.wrap import as_backbone
    from .train.outputs import Outputs
    from .train.run import Run
    from .train.task import Batch, Task

_HOME = {
    "Batch": "train.task",
    "Outputs": "train.outputs",
    "Run": "train.run",
    "Task": "train.task",
    "UnreadableImage": "data.images",
    "as_backbone": "network.wrap",
    "check_backbone": "network.contract",
    "colorize": "data.colors",
    "distinct_colors": "data.colors",
    "image_size": "data.images",
    "normalization_of": "network.contract",
    "overlay": "data.colors",
    "read_color_mask": "data.images",
    "read_image": "data.images",
    "read_index_mask": "data.images",
    "require_weights": "network.pretrained",
    "with_output_stride": "network.dilate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from ..catalog.deprecations import moved

        return moved(__name__, name)
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


__all__ = [
    "Batch",
    "Outputs",
    "Run",
    "Task",
    "UnreadableImage",
    "as_backbone",
    "check_backbone",
    "colorize",
    "distinct_colors",
    "image_size",
    "normalization_of",
    "overlay",
    "read_color_mask",
    "read_image",
    "read_index_mask",
    "require_weights",
    "with_output_stride",
]
