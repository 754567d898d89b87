"""A run, or an exported file, as an object: what ``hw1cli.load`` returns, and what its predictions are."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from ..errors import InputError
from .data.augmented import Augmented
from .data.colors import displayed, overlay
from .data.images import as_rgb, read_image, reading
from .data.preprocess import checked, collate
from .data.samples import require_bands
from .exported import open_model
from .predict.predictor import ImagesInMemory, Predictor
from .train.saved_run import Device, SavedRun

#: A file, a Pillow image, or pixels: uint8 (H, W, 3) or grey (H, W).
ImageLike: TypeAlias = "str | os.PathLike[str] | Image.Image | np.ndarray"


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a model predicts for one image.

    Attributes:
        image: (H, W, 3) uint8, upright.
        probabilities: (classes,), or (classes, H, W) of a mask; float32.
        classes: the classes' names.
        colors: (R, G, B) of each class.
        name: of the image's file; empty for one in memory.
        threshold: the probability from which the image has a class, where it may have several; None where it has one.
    """

    image: np.ndarray
    probabilities: np.ndarray
    classes: Sequence[str]
    colors: Sequence[Sequence[int]] = field(repr=False)
    name: str = ""
    threshold: float | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """(H, W) uint8, each pixel's class, at the image's own size; None where an image has one class."""
        return self.probabilities.argmax(0).astype(np.uint8) if self.probabilities.ndim == 3 else None

    @property
    def index(self) -> int | None:
        """The number of the image's class; None of a mask, and where an image may have several classes."""
        return int(self.probabilities.argmax()) if self.probabilities.ndim == 1 and self.threshold is None else None

    @property
    def label(self) -> str | None:
        """The name of the image's class; None of a mask, and where an image may have several classes."""
        return None if self.index is None else self.classes[self.index]

    @property
    def labels(self) -> list[str]:
        """The names of its classes: the one, those that reach the threshold, or all that the mask holds."""
        if self.label is not None:
            return [self.label]
        mask, least = self.mask, self.threshold or 0.0
        held = np.flatnonzero(self.probabilities >= least) if mask is None else np.unique(mask)
        return [self.classes[int(index)] for index in held]

    def shares(self) -> dict[str, float]:
        """The probability of each class, or of a mask the share of pixels, largest first."""
        mask = self.mask
        if mask is None:
            found = self.probabilities
        else:
            found = np.bincount(mask.ravel(), minlength=len(self.classes)) / mask.size
        return {self.classes[at]: float(found[at]) for at in np.argsort(-found, kind="stable")}

    def overlay(self, opacity: float = 0.6) -> Image.Image:
        """The mask in the classes' colours over the image; the image itself where it has one class.

        Args:
            opacity: of the colours, 0..1.
        """
        mask = self.mask
        return Image.fromarray(self.image if mask is None else overlay(self.image, mask, self.colors, opacity))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the mask as a grey PNG of class numbers.

        Raises:
            InputError: an image of one class has no mask.
        """
        if self.mask is None:
            raise InputError.of(str(path), "a label is not a mask", "take .labels, or .shares()")
        Image.fromarray(self.mask).save(path)

    def figure(self) -> Any:
        """The image, its mask with a legend, or its most likely classes as bars: a matplotlib ``Figure``."""
        from .predict.figure import draw_prediction

        colors = dict(zip(self.classes, self.colors, strict=True))
        return draw_prediction(self.image, self.mask, self.shares(), colors, self.name, self.threshold)

    def _repr_png_(self) -> bytes:
        """The figure, which notebooks show."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        drawn, file = self.figure(), io.BytesIO()
        FigureCanvasAgg(drawn)
        drawn.savefig(file, format="png", bbox_inches="tight", dpi=90)
        return file.getvalue()

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        first = ", ".join(f"{name} {share:.1%}" for name, share in list(self.shares().items())[:3])
        what = f"mask {width}x{height}" if self.mask is not None else ", ".join(map(repr, self.labels)) or "no class"
        return f"<Prediction{f' of {self.name}' * bool(self.name)}: {what}; {first}>"


class Model:
    """A trained model.

    Attributes:
        saved: the run that was opened.
        classes: the classes' names; empty for a run without.
    """

    def __init__(self, saved: SavedRun) -> None:
        self.saved = saved
        self.classes: list[str] = [str(name) for name in saved.facts.get("class_names", ())]
        self._predictors: dict[str, Predictor] = {}

    @property
    def model(self) -> nn.Module:
        """The network, in evaluation mode: normalised images (B, C, H, W) -> logits."""
        return self.saved.task.model

    @overload
    def predict(self, images: ImageLike, **settings: Any) -> Prediction: ...
    @overload
    def predict(self, images: list[Any], **settings: Any) -> list[Prediction]: ...
    def predict(self, images: ImageLike | list[Any], **settings: Any) -> Prediction | list[Prediction]:
        """What ``hw1cli predict`` predicts, in memory.

        Args:
            images: one, or a list.
            settings: ``flips`` (of ``h`` and ``v``) and ``scales`` to average over; ``tile``, ``overlap`` and
                ``batch_size``; see ``Predictor``.

        Raises:
            InputError: an image cannot be read, or the run does not predict classes.
        """
        key = repr(sorted(settings.items()))
        if key not in self._predictors:
            self._predictors[key] = Predictor(self.saved, **settings)
        chosen = images if isinstance(images, list) else [images]
        pixels = [_pixels(image, self.saved.facts) for image in chosen]
        colors = self.saved.facts["class_colors"]
        found = [
            Prediction(
                *(displayed(image), probabilities.numpy(), self.classes, colors),
                *(_name(source), self.saved.task.threshold),
            )
            for image, probabilities, source in zip(pixels, self._predictors[key](pixels), chosen, strict=True)
        ]
        return found if isinstance(images, list) else found[0]

    def preprocess(self, images: ImageLike | list[Any]) -> Tensor:
        """Images as the network gets them: resized as in the evaluation, normalised, (B, C, H, W) on the device.

        Raises:
            InputError: an image cannot be read, or they differ in size after the evaluation augmentations.
        """
        chosen = images if isinstance(images, list) else [images]
        pixels = [_pixels(image, self.saved.facts) for image in chosen]
        samples = Augmented(ImagesInMemory(pixels), self.saved.transform, seed=None)
        batch = checked(collate([samples[0, index] for index in range(len(pixels))]))
        return self.saved.preprocess(batch)["image"]  # type: ignore[no-any-return]

    def features(self, images: ImageLike | list[Any]) -> np.ndarray:
        """The penultimate layer, pooled: (B, D) float32; of a pre-training run what it has learned.

        Raises:
            InputError: the network has no such layer, or an exported file does not hold it.
        """
        own = getattr(self.model, "features", None)
        if own is None and self.saved.task.predicts_classes:
            message = f"the network {type(self.model).__name__} has no method `features`"
            raise InputError.of(str(self.saved.folder.path), message, "load the run folder of a classification")
        with torch.inference_mode(), self.saved.runtime.autocast():
            found: Tensor = (own or self.model)(self.preprocess(images))
        return found.float().cpu().numpy()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Model {self.saved.folder.path}, epoch {self.saved.epoch}, {len(self.classes)} classes>"


def load(
    path: str | os.PathLike[str], *, checkpoint: Literal["best", "last"] = "best", device: Device = "auto"
) -> Model:
    """See ``hw1cli.load``."""
    return Model(open_model(Path(path), checkpoint=checkpoint, device=device))


def _pixels(image: Any, facts: Mapping[str, Any]) -> np.ndarray:
    """uint8 (H, W, 3) of whatever stands for an image, or the bands that the run of these facts reads.

    Raises:
        InputError: it is none.
    """
    if "bands" in facts:
        if isinstance(image, (str, os.PathLike)):
            with reading(bands=facts["bands"]):
                image = read_image(image)
        if isinstance(image, np.ndarray) and image.ndim == 3 and image.dtype in (np.uint8, np.uint16):
            require_bands("images", image, facts)
            return image
        raise InputError.of("images", f"expected a path, or pixels (H, W, {facts['in_channels']}) of 8 or 16 bits")
    if isinstance(image, (str, os.PathLike)):
        return read_image(image)
    if isinstance(image, Image.Image):
        return as_rgb(ImageOps.exif_transpose(image), "images")
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        grey = image[..., None] if image.ndim == 2 else image
        if grey.ndim == 3 and grey.shape[2] in (1, 3):
            return np.ascontiguousarray(np.repeat(grey, 3, axis=2) if grey.shape[2] == 1 else grey)
    got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    message = f"expected a path, a Pillow image, or uint8 pixels (H, W, 3), got {got}"
    raise InputError.of("images", message)


def _name(image: Any) -> str:
    return Path(image).name if isinstance(image, (str, os.PathLike)) else ""
