"""What the maps of the penultimate layer share: which images they show, how stages are aligned, what is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from registry import InputError
from registry.engine import Outputs, Run

from .class_marks import ClassMarks
from .pictures import write_thumbnails
from .scatter import draw_stages
from .stages import Stage, called, chosen, stages_before, stratified
from .worth import knn_accuracy, silhouette


class FeatureMap:
    """The features of the evaluation images in a plane, at several epochs.

    Args:
        at: epochs.
        max_images: images drawn at most; of more, a stratified choice.
        class_names, class_colors: for the legend.
        seed: of the choice.
    """

    #: The report's name: of its files, tags and faults.
    name: ClassVar[str]
    #: What the figure's heading calls it.
    title: ClassVar[str]

    def __init__(
        self, at: Sequence[int | str], max_images: int, class_names: Sequence[str], class_colors: Any, seed: int
    ) -> None:
        self.at, self.max_images, self.seed = list(at), max_images, seed
        self.class_names = list(class_names)
        self.marks = ClassMarks(self.class_names, list(class_colors))

    def ready(self, run: Run) -> None:
        """Check before the training that the run has what the report needs.

        Raises:
            InputError: it does not.
        """
        needs_labels(self.name, run)
        if not callable(getattr(run.task.model, "features", None)):
            raise InputError.of(
                self.name,
                f"needs a model with features(x), its penultimate layer, and {type(run.task.model).__name__} has none",
                "'classifier' on any backbone has it",
            )

    def __call__(self, run: Run, epoch: int) -> None:
        """Map the features, keep the stage, draw all stages so far, and show the features in the projector."""
        everything = run.outputs()
        indices = stratified(everything.labels.numpy(), self.max_images, self.seed)
        outputs = chosen(everything, indices)
        features, labels = _usable(self.name, outputs), outputs.labels.numpy()
        stages = stages_before(run.folder.figures / self.name, epoch)
        places, figures = self.map(features, run)
        stage = Stage(epoch, outputs.names, labels, outputs.logits.argmax(1).numpy(), places, {})
        if stages and list(stages[-1].names) == list(stage.names):
            stage = replace(stage, places=self.aligned(stage.places, stages[-1].places))
        stage = replace(stage, figures={**figures, **_worth(features, places, labels)})
        stage.save(run.folder.figures / self.name, self.class_names)
        write_thumbnails(run.folder.figures / self.name / "thumbnails.jpg", outputs.thumbnails)
        for figure, value in stage.figures.items():
            run.trackers.scalar(f"reports/{self.name}/{figure}", value, epoch)
        some = f"{len(labels):,} of " if len(labels) < len(everything.names) else ""
        if some:
            run.add_caveat(f"{self.name}: {some}{len(everything.names):,} evaluation images, a stratified sample")
        title = f"{self.title}, {some}{len(everything.names):,} evaluation images"
        draw_stages(run, self.name, title, [*stages, stage], self.marks, self.axes, self.claims)
        self._project(run, outputs, features, epoch)

    @abstractmethod
    def map(self, features: np.ndarray, run: Run) -> tuple[np.ndarray, dict[str, float]]:
        """Features (N, D) -> places (N, 2), and figures of the map."""

    @abstractmethod
    def aligned(self, places: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Places (N, 2), turned so that they resemble an earlier stage's as far as the method leaves that open."""

    @abstractmethod
    def axes(self, figures: Mapping[str, float]) -> tuple[str, str]:
        """What the two axes are called."""

    @abstractmethod
    def claims(self, figures: Mapping[str, float]) -> str:
        """The numbers under a stage's title."""

    def _project(self, run: Run, outputs: Outputs, features: np.ndarray, epoch: int) -> None:
        labels, predicted = outputs.labels.tolist(), outputs.logits.argmax(1).tolist()
        table = [
            (called(label, self.class_names), called(guess, self.class_names), name)
            for label, guess, name in zip(labels, predicted, outputs.names, strict=True)
        ]
        header = ("class", "predicted", "name")
        run.trackers.embedding("features", features, table, header, outputs.thumbnails, epoch)


def needs_labels(name: str, run: Run) -> None:
    """Raise an InputError unless the run evaluates on images that have a class each."""
    if run.val is None:
        raise InputError.of(name, "needs an evaluation split, and the data have none")
    if "label" not in run.evaluation_sample(0):
        raise InputError.of(name, "needs images with a class each, and these have masks", "'mask_stages' draws masks")


def _worth(features: np.ndarray, places: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "knn_map": knn_accuracy(places, labels),
        "knn_features": knn_accuracy(features, labels),
        "silhouette_map": silhouette(places, labels),
        "silhouette_features": silhouette(features, labels),
    }


def _usable(name: str, outputs: Outputs) -> np.ndarray:
    """The features (N, D), when a map can be made of them."""
    if outputs.features is None:
        raise InputError.of(name, "needs a model with features(x), its penultimate layer")
    features = outputs.features.numpy()
    if not np.isfinite(features).all():
        raise InputError.of(name, "needs finite features, and the model's hold NaN or infinity")
    if len(features) < 5 or features.shape[1] < 2:
        images, numbers = features.shape
        raise InputError.of(name, f"needs 5 images with 2 features each, and has {images} with {numbers}")
    if np.ptp(features, axis=0).max() == 0:
        raise InputError.of(name, "needs features that vary: the model gives all images the same")
    return features
