"""Whether an exported file predicts what the trained model predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..exported import open_model, read_card, require
from ..predict.predictor import Predictor


@dataclass(frozen=True)
class Example:
    """A batch, and what the trained model predicts for it.

    Attributes:
        images: (B, H, W, C) uint8.
        probabilities: (B, classes), or (B, classes, H, W); float32.
    """

    images: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of_images(cls, images: Sequence[np.ndarray], size: tuple[int, int], predictor: Predictor) -> Example:
        """The upper left part, of one size, of each image; predicted whole, as ``hw1cli predict`` would."""
        cut = [np.ascontiguousarray(image[: size[0], : size[1]]) for image in images]
        return cls(np.stack(cut), torch.stack(predictor(cut)).numpy())

    def of(self, count: int) -> Example:
        """So many images, repeated where there are fewer."""
        chosen = [number % len(self.images) for number in range(count)]
        return Example(self.images[chosen], self.probabilities[chosen])


def largest_difference(path: Path, card: Mapping[str, Any], examples: Sequence[Example]) -> float:
    """The largest difference of a probability in the file's predictions; infinite where a class is another one.

    A class may be another one where the trained model's two best are closer to each other than the difference allows.
    """
    run, worst = reader(path), 0.0
    for example in examples:
        probabilities, classes = run(example.images)
        if probabilities.shape != example.probabilities.shape:
            return float("inf")
        worst = max(worst, float(np.abs(probabilities - example.probabilities).max()))
        wanted, clear = _decided(example.probabilities, card)
        if (classes != wanted)[clear].any() or not np.isfinite(worst):
            return float("inf")
    return worst


def _decided(probabilities: np.ndarray, card: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The classes, or flags of classes, that follow from probabilities; and where the tolerance leaves no other."""
    if card["kind"] == "multilabel":
        return probabilities >= card["threshold"], np.abs(probabilities - card["threshold"]) > card["tolerance"]
    ordered = np.sort(probabilities, axis=1)
    return probabilities.argmax(1), ordered[:, -1] - ordered[:, -2] > 2 * card["tolerance"]


def reader(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The file as a function, by the library that a stranger would use."""
    if path.suffix == ".onnx":
        session = require("onnxruntime", "--to onnx").InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda images: tuple(session.run(None, {"images": images}))  # type: ignore[return-value]
    if path.suffix == ".pt2":
        program = torch.export.load(path).module(check_guards=False)

        def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with torch.no_grad():
                probabilities, classes = program(torch.from_numpy(images))
            return probabilities.numpy(), classes.numpy()

        return run
    predictor, card = Predictor(open_model(path, device="cpu")), read_card(path)

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probabilities = torch.stack(predictor(list(images))).numpy()
        return probabilities, _decided(probabilities, card)[0]

    return predict
