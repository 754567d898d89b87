"""The kinds of component, the contract of each, and the words a factory's signature may use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from ..errors import InputError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Args:
        name: plural, as in the entry-point group and on the command line (``backbones``).
        singular: as in messages (``backbone``).
        contract: what a factory of this kind returns.
    """

    name: str
    singular: str
    contract: str

    @property
    def group(self) -> str:
        """The entry-point group that offers components of this kind."""
        return f"hw1cli.{self.name}"


_ALL = (
    Kind(
        "backbones",
        "backbone",
        "A torch.nn.Module. forward(x) takes (B, C, H, W) float and returns a list of maps "
        "(B, channels[i], H/strides[i], W/strides[i]), finest first; `channels` and `strides` are "
        "tuples of int on the module. May carry `mean` and `std`, a tuple per channel for images in 0..1.",
    ),
    Kind(
        "models",
        "model",
        "A torch.nn.Module from images (B, C, H, W) to logits (B, classes) or (B, classes, H, W). "
        "May offer features(x), the penultimate layer, pooled: (B, D).",
    ),
    Kind("losses", "loss", "A torch.nn.Module, (logits, target) -> scalar."),
    Kind("augmentations", "augmentation", "An albumentations transform, kept in uint8."),
    Kind("trainers", "trainer", "A registry.engine.Task: a module whose forward(batch) is the training loss."),
    Kind(
        "datasets",
        "dataset",
        "An object with `facts` (what is known about the data) and split('train' or 'val') -> a sequence of "
        "samples with their `names`, or None where there is none. A sample is a dict: `image` uint8 (H, W, 3), "
        "`name`, and `mask` uint8 (H, W) or `label` int (a tuple of flags where an image may have several classes), "
        "neither where it is not known. A split that has `labels` is counted without reading images; one that has "
        "`files`, the paths of each sample, or a `fingerprint`, a text that changes with the samples, is decoded once.",
    ),
    Kind("generators", "generator", "An object whose make(folder) writes a data set in the layout of a dataset."),
    Kind("optimizers", "optimizer", "A torch.optim.Optimizer over `params`."),
    Kind("schedules", "schedule", "A function step -> factor of the learning rate, for step 0 .. total_steps - 1."),
    Kind(
        "metrics",
        "metric",
        "A torchmetrics.Metric: update(logits, target) takes logits (B, classes, ...) and labels (B, ...), compute() "
        "gives a number or a dict of numbers by name. May have `headline`, the name of the one that chooses the best "
        "checkpoint (default: the first); `higher_is_better` as in torchmetrics.",
    ),
    Kind(
        "reports",
        "report",
        "An object with `at`, its epochs (first, middle, last, 3, '50%', 'every 10'), called with the run and epoch: "
        "it writes figures into the run folder. May have ready(run), which raises InputError before the training "
        "where the run does not have what the report needs.",
    ),
    Kind(
        "trackers",
        "tracker",
        "A registry.engine.Tracker: start(run), epoch(record), scalar, picture, embedding and finish(summary), each of "
        "which may be left out. What start returns, plain JSON values, is run.state when the run is resumed.",
    ),
)

#: Every kind by its plural name.
KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _ALL}


#: Kinds whose components are networks: these start from random weights, or from weights that are given.
NETWORKS: Final = ("backbones", "models")
#: The arguments, by the names that are usual, with which a network starts from random weights.
WITHOUT_START: Final[dict[str, Any]] = {"pretrained": False, "weights": None}


def kind_named(word: str) -> Kind | None:
    """The kind called ``word``, in the plural or the singular."""
    return next((kind for kind in _ALL if word.lower() in (kind.name, kind.singular)), None)


def require_kind(word: str) -> Kind:
    """The kind called ``word``.

    Raises:
        InputError: there is none.
    """
    kind = kind_named(word)
    if kind is None:
        hint = did_you_mean(word, KINDS, f"kinds: {', '.join(KINDS)}")
        raise InputError.of("KIND", f"there is no kind {word!r}", hint)
    return kind


@dataclass(frozen=True)
class SuppliedByRun:
    """Marks a parameter that the run fills in."""


@dataclass(frozen=True)
class Uses:
    """Marks a parameter whose argument is a component of the kind named."""

    kind: str


@dataclass(frozen=True)
class Range:
    """Marks a number's closed range; ``above`` excludes its bound."""

    least: float | None = None
    most: float | None = None
    above: float | None = None

    def __str__(self) -> str:
        """In words that follow a noun: ``from 0 to 1``, ``above 0``, ``of at least 1``."""
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        lowest = [f"of at least {self.least:g}"] if self.least is not None else []
        lowest += [f"above {self.above:g}"] if self.above is not None else []
        highest = [f"{'' if lowest else 'of '}at most {self.most:g}"] if self.most is not None else []
        return " and ".join(lowest + highest)

    def admits(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
        )


#: ``num_classes: FromData[int]``: the run supplies it, a recipe need not.
FromData = Annotated[T, SuppliedByRun()]

Backbone = Annotated[Any, Uses("backbones")]
Model = Annotated[Any, Uses("models")]
Loss = Annotated[Any, Uses("losses")]
Augmentation = Annotated[Any, Uses("augmentations")]
Metric = Annotated[Any, Uses("metrics")]
Dataset = Annotated[Any, Uses("datasets")]

#: Common numbers with their ranges.
Probability = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(above=0)]
Count = Annotated[int, Range(1)]

#: What a factory may ask of the run with ``FromData``, and what it gets.
FACTS: Final[dict[str, str]] = {
    "num_classes": "number of classes",
    "class_names": "their names, in the order of their indices",
    "class_colors": "their colours in figures and mask files, (R, G, B) in 0..255",
    "ignore_index": "the label that is not to be learned, or None",
    "class_counts": "a function: the pixels, or images, of each class in the training split (it may read every mask)",
    "in_channels": "channels of an image",
    "mean": "the mean of each channel of the data, where the recipe gives it: images are normalised with it then",
    "params": "the parameters that an optimizer is to change, as torch parameter groups",
    "epochs": "epochs of the run",
    "total_steps": "optimizer steps of the whole run",
    "steps_per_epoch": "optimizer steps of an epoch",
    "batch_size": "images in a training batch",
    "seed": "the seed of the run",
}
