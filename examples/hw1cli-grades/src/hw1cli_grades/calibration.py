"""A reliability diagram."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from registry import InputError
from registry.engine import Run


class Calibration:
    """Writes ``figures/calibration.png`` and ``calibration.csv``; see the spec ``calibration``."""

    def __init__(self, at: Sequence[int | str], bins: int) -> None:
        self.at, self.bins = list(at), bins

    def ready(self, run: Run) -> None:
        """Refuse a run that it cannot plot, before the training starts."""
        if run.val is None or "label" not in run.evaluation_sample(0):
            raise InputError.of("reports", "calibration needs evaluation images with a label each")

    def __call__(self, run: Run, epoch: int) -> None:
        """Plot the calibration on the evaluation split after an epoch."""
        outputs = run.outputs()
        confidence, guesses = outputs.logits.softmax(1).max(1)
        rows = reliability(confidence.numpy(), (guesses == outputs.labels).numpy(), self.bins)
        run.folder.figures.mkdir(exist_ok=True)
        with open(run.folder.figures / "calibration.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("images", "confidence", "accuracy"), *rows.tolist()])
        figure = self._figure(rows, f"{run.name}, epoch {epoch}: expected calibration error {error_of(rows):.3f}")
        written = BytesIO()
        figure.savefig(written, format="png", dpi=120)
        (run.folder.figures / "calibration.png").write_bytes(written.getvalue())
        run.trackers.picture("reports/calibration", np.asarray(Image.open(written).convert("RGB")), epoch)

    def _figure(self, rows: np.ndarray, title: str) -> Figure:
        figure = Figure(figsize=(5.2, 5.6), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        edges = np.linspace(0, 1, self.bins + 1)
        left, width = edges[:-1], 1 / self.bins
        axes.bar(left, rows[:, 2], width, align="edge", color="#4878a8", edgecolor="white", label="right predictions")
        filled = rows[:, 0] > 0
        axes.plot(rows[filled, 1], rows[filled, 1], "o", color="#c23b22", ms=4, label="confidence of the model")
        axes.plot([0, 1], [0, 1], "--", color="gray", lw=1)
        axes.set(ylabel="share of right predictions", xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="upper left", frameon=False)
        below.bar(left, rows[:, 0], width, align="edge", color="#b8c4d0", edgecolor="white")
        below.set(xlabel="confidence of the prediction", ylabel="images")
        figure.suptitle(title.replace("$", r"\$"), fontsize=10)
        return figure


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int) -> np.ndarray:
    """(bins, 3): images, mean probability and share of right predictions in each bin; 0 where it is empty.

    Args:
        confidence: (N,) probability of each prediction.
        right: (N,) whether it is right.
        bins: bins of equal width over 0..1.
    """
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    images = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights=each, minlength=bins) for each in (confidence, right.astype(float))]
    return np.stack([images, *(each / np.maximum(images, 1) for each in sums)], axis=1)


def error_of(rows: np.ndarray) -> float:
    """The expected calibration error: the mean over images of |accuracy - confidence| of their bin."""
    return float((rows[:, 0] * np.abs(rows[:, 2] - rows[:, 1])).sum() / max(rows[:, 0].sum(), 1))
