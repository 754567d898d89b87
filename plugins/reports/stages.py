"""What a map of the features was at one epoch, kept as files so that a resumed run's figures are whole."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from registry.engine import Outputs


@dataclass(frozen=True)
class Stage:
    """A map at one epoch.

    Attributes:
        epoch: 1-based.
        names: of the N images.
        labels, predicted: (N,) their classes, and the predicted ones.
        places: (N, 2) where each lies.
        figures: scores of the map, by name.
    """

    epoch: int
    names: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray
    places: np.ndarray
    figures: Mapping[str, float]

    def save(self, folder: Path, class_names: Sequence[str]) -> None:
        """Write ``epoch_0001.csv`` and ``epoch_0001.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"epoch_{self.epoch:04d}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "label", "class", "x", "y", "predicted", "predicted_class"])
            for name, label, (x, y), guess in zip(self.names, self.labels, self.places, self.predicted, strict=True):
                classes = called(int(label), class_names), called(int(guess), class_names)
                writer.writerow([name, label, classes[0], f"{x:.6g}", f"{y:.6g}", guess, classes[1]])
        figures = {name: value if math.isfinite(value) else None for name, value in self.figures.items()}
        text = json.dumps({"epoch": self.epoch, **figures}, indent=2)
        (folder / f"epoch_{self.epoch:04d}.json").write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Stage:
        """Read the stage whose CSV this is."""
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        figures = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return cls(
            figures.pop("epoch"),
            [row["name"] for row in rows],
            np.array([int(row["label"]) for row in rows]),
            np.array([int(row["predicted"]) for row in rows]),
            np.array([(float(row["x"]), float(row["y"])) for row in rows]),
            {name: math.nan if value is None else value for name, value in figures.items()},
        )


def stages_before(folder: Path, epoch: int) -> list[Stage]:
    """The kept stages of earlier epochs, in order."""
    found = {int(path.stem.rpartition("_")[2]): path for path in folder.glob("epoch_*.csv")}
    return [Stage.load(found[number]) for number in sorted(found) if number < epoch]


def called(label: int, class_names: Sequence[str]) -> str:
    """A class's name; its number where it has none."""
    return class_names[label] if 0 <= label < len(class_names) else str(label)


def stratified(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The indices, ascending, of at most this many samples, each class with its share; the same ones for one seed."""
    if len(labels) <= most:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        # Spread over 0..1, so that the lowest ranks of all hold about as much of every class.
        rank[own] = (generator.permutation(len(own)) + generator.random()) / len(own)
    return np.sort(np.argsort(rank, kind="stable")[:most])


def chosen(outputs: Outputs, indices: np.ndarray) -> Outputs:
    """The outputs of some of the samples."""
    features = None if outputs.features is None else outputs.features[indices]
    names = [outputs.names[index] for index in indices]
    return Outputs(names, outputs.labels[indices], outputs.logits[indices], features, outputs.thumbnails[indices])
