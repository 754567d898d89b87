"""Which classes the model confuses with which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from registry.engine import Classes, Confusion, Outputs, Run, draw_confusion

from .feature_map import needs_labels
from .figures import heading, publish
from .pictures import write_table, write_thumbnails
from .stages import called

#: Pairs in the list of the most confused ones.
_PAIRS = 30
#: Images among the worst ones.
_WORST = 24


class ConfusionMatrix:
    """See the spec ``confusion_matrix``."""

    def __init__(self, at: Sequence[int | str], class_names: Sequence[str]) -> None:
        self.at, self.names = list(at), list(class_names)

    def ready(self, run: Run) -> None:
        """Check before the training that the run has what the report needs.

        Raises:
            InputError: it does not.
        """
        needs_labels("confusion_matrix", run)

    def __call__(self, run: Run, epoch: int) -> None:
        """Count, write the counts, the most confused pairs, each image's prediction and the figure."""
        outputs = run.outputs()
        truth, predicted = outputs.labels.numpy(), outputs.logits.argmax(1).numpy()
        names = [called(label, self.names) for label in range(max(len(self.names), outputs.logits.shape[1]))]
        confusion = Confusion.of(truth, predicted, Classes.of(names))
        counts = confusion.counts
        folder = run.folder.figures / "confusion_matrix"
        folder.mkdir(parents=True, exist_ok=True)
        _write_counts(folder / f"epoch_{epoch:04d}.csv", counts, names)
        _write_pairs(folder / "most_confused.csv", counts, names)
        _write_images(folder, outputs, names)
        accuracy = counts.trace() / max(int(counts.sum()), 1)
        title = heading(run, f"epoch {epoch}, accuracy {accuracy:.4f}")
        figure = draw_confusion(confusion, title, "evaluation images")
        publish(figure, run, "confusion_matrix", epoch)


def _write_counts(path: Path, counts: np.ndarray, names: Sequence[str]) -> None:
    rows = [[name, *row] for name, row in zip(names, counts.tolist(), strict=True)]
    write_table(path, [["truth \\ predicted", *names], *rows])


def _write_pairs(path: Path, counts: np.ndarray, names: Sequence[str]) -> None:
    """The pairs of classes that are confused most often, as shares of the true class's images."""
    wrong = counts - np.diag(counts.diagonal())
    images = counts.sum(1)
    order = sorted(zip(*np.nonzero(wrong), strict=True), key=lambda pair: (-wrong[pair], pair))[:_PAIRS]
    rows = [[names[t], names[p], wrong[t, p], f"{wrong[t, p] / images[t]:.4f}"] for t, p in order]
    write_table(path, [["truth", "predicted", "images", "share_of_truth"], *rows])


def _write_images(folder: Path, outputs: Outputs, names: Sequence[str]) -> None:
    """Each image's truth, prediction and probabilities, as ``evaluate`` writes them, and the worst images."""
    shares = outputs.logits.softmax(1).numpy()
    truth, predicted = outputs.labels.numpy(), shares.argmax(1)
    own = shares[np.arange(len(truth)), truth]
    header = ["name", "truth", "prediction", "right", "probability", "probability_of_truth"]
    rows = [
        [name, names[t], names[p], int(t == p), f"{shares[at, p]:.6f}", f"{own[at]:.6f}"]
        for at, (name, t, p) in enumerate(zip(outputs.names, truth, predicted, strict=True))
    ]
    worst = np.argsort(own, kind="stable")[:_WORST]
    write_table(folder / "per_image.csv", [header, *rows])
    write_table(folder / "worst.csv", [header, *(rows[at] for at in worst)])
    write_thumbnails(folder / "worst.jpg", outputs.thumbnails[worst])
