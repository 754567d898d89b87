"""The part of the framework that computes. Names load when they are asked for: reading a picture needs no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backbones import check_backbone, normalization_of
    from .dilation import with_output_stride
    from .images import UnreadableImage, image_size, read_color_mask, read_image, read_index_mask
    from .outputs import Outputs
    from .pictures import colorize, distinct_colors, overlay
    from .pretrained import require_weights
    from .run import Run
    from .task import Batch, Task
    from .wrapping import as_backbone

_HOME = {
    "Batch": "task",
    "Outputs": "outputs",
    "Run": "run",
    "Task": "task",
    "UnreadableImage": "images",
    "as_backbone": "wrapping",
    "check_backbone": "backbones",
    "colorize": "pictures",
    "distinct_colors": "pictures",
    "image_size": "images",
    "normalization_of": "backbones",
    "overlay": "pictures",
    "read_color_mask": "images",
    "read_image": "images",
    "read_index_mask": "images",
    "require_weights": "pretrained",
    "with_output_stride": "dilation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from ..deprecations import moved

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
