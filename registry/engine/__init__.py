"""What runs: the only part of the framework that imports torch, and the names in it that plugins may import.

A name is imported when it is first used, so that reading an image needs no torch. Begin with ``train.loop``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .evaluate import lean_torchmetrics

if TYPE_CHECKING:
    from .data.classes import Classes
    from .data.colors import Color, colorize, displayed, distinct_colors, overlay
    from .data.drawing import MARKERS, hatched, legend_entry, score_title
    from .data.images import IMAGE_SUFFIXES, Pixels, UnreadableImage, image_size, images_in, read_image
    from .data.labels import IMAGE_COLUMNS, LABEL_COLUMNS, LabelTable, in_class_order, read_label_table
    from .data.masks import MaskReader, read_color_mask, read_index_mask
    from .data.pairs import PairedImages, files_by_name, pair_files
    from .evaluate.confusion import Confusion
    from .evaluate.figures import draw_confusion
    from .evaluate.metrics import ConfusionMetric, Scores, count_images
    from .network.contract import (
        IMAGENET_MEAN,
        IMAGENET_STD,
        check_backbone,
        describe_backbone,
        normalization_of,
        per_channel,
    )
    from .network.output_stride import resized, with_output_stride
    from .network.pretrained import HUB_FILES, require_download, require_weights
    from .network.wrap import as_backbone
    from .records.epoch import EpochRecord
    from .records.trackers import TrackedRun, Tracker
    from .runtime.processes import concatenated, process_count, sum_over_processes, summed
    from .train.features import Outputs
    from .train.run import Run
    from .train.task import Batch, Task

_MODULES = {
    "Batch": "train.task",
    "Classes": "data.classes",
    "Confusion": "evaluate.confusion",
    "ConfusionMetric": "evaluate.metrics",
    "Color": "data.colors",
    "EpochRecord": "records.epoch",
    "MARKERS": "data.drawing",
    "HUB_FILES": "network.pretrained",
    "IMAGENET_MEAN": "network.contract",
    "IMAGENET_STD": "network.contract",
    "IMAGE_COLUMNS": "data.labels",
    "IMAGE_SUFFIXES": "data.images",
    "LABEL_COLUMNS": "data.labels",
    "LabelTable": "data.labels",
    "MaskReader": "data.masks",
    "Outputs": "train.features",
    "PairedImages": "data.pairs",
    "Pixels": "data.images",
    "Run": "train.run",
    "Scores": "evaluate.metrics",
    "Task": "train.task",
    "TrackedRun": "records.trackers",
    "Tracker": "records.trackers",
    "UnreadableImage": "data.images",
    "as_backbone": "network.wrap",
    "check_backbone": "network.contract",
    "concatenated": "runtime.processes",
    "colorize": "data.colors",
    "count_images": "evaluate.metrics",
    "describe_backbone": "network.contract",
    "displayed": "data.colors",
    "distinct_colors": "data.colors",
    "draw_confusion": "evaluate.figures",
    "files_by_name": "data.pairs",
    "hatched": "data.drawing",
    "image_size": "data.images",
    "images_in": "data.images",
    "in_class_order": "data.labels",
    "legend_entry": "data.drawing",
    "normalization_of": "network.contract",
    "overlay": "data.colors",
    "pair_files": "data.pairs",
    "per_channel": "network.contract",
    "process_count": "runtime.processes",
    "read_color_mask": "data.masks",
    "read_image": "data.images",
    "read_index_mask": "data.masks",
    "read_label_table": "data.labels",
    "require_download": "network.pretrained",
    "require_weights": "network.pretrained",
    "resized": "network.output_stride",
    "score_title": "data.drawing",
    "sum_over_processes": "runtime.processes",
    "summed": "runtime.processes",
    "with_output_stride": "network.output_stride",
}

lean_torchmetrics.install()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


__all__ = [
    "HUB_FILES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IMAGE_COLUMNS",
    "IMAGE_SUFFIXES",
    "LABEL_COLUMNS",
    "MARKERS",
    "Batch",
    "Classes",
    "Color",
    "Confusion",
    "ConfusionMetric",
    "EpochRecord",
    "LabelTable",
    "MaskReader",
    "Outputs",
    "PairedImages",
    "Pixels",
    "Run",
    "Scores",
    "Task",
    "TrackedRun",
    "Tracker",
    "UnreadableImage",
    "as_backbone",
    "check_backbone",
    "colorize",
    "concatenated",
    "count_images",
    "describe_backbone",
    "displayed",
    "distinct_colors",
    "draw_confusion",
    "files_by_name",
    "hatched",
    "image_size",
    "images_in",
    "in_class_order",
    "legend_entry",
    "normalization_of",
    "overlay",
    "pair_files",
    "per_channel",
    "process_count",
    "read_color_mask",
    "read_image",
    "read_index_mask",
    "read_label_table",
    "require_download",
    "require_weights",
    "resized",
    "score_title",
    "sum_over_processes",
    "summed",
    "with_output_stride",
]
