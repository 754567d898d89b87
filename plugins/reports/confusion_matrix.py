"""Which classes the model confuses with which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from registry.engine import Classes, Confusion, Outputs, Run

from .feature_map import needs_labels
from .figures import blank, heading, in_short, literal, publish
from .pictures import write_table, write_thumbnails
from .stages import called

#: Up to so many classes the cells hold their counts, and up to so many every class has its name at the axes.
_COUNTED, _NAMED = 12, 64
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
        counts = Confusion.of(truth, predicted, Classes.of(names)).counts
        folder = run.folder.figures / "confusion_matrix"
        folder.mkdir(parents=True, exist_ok=True)
        _write_counts(folder / f"epoch_{epoch:04d}.csv", counts, names)
        _write_pairs(folder / "most_confused.csv", counts, names)
        _write_images(folder, outputs, names)
        publish(_figure(run, counts, names, epoch), run, "confusion_matrix", epoch)


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


def _figure(run: Run, counts: np.ndarray, names: Sequence[str], epoch: int) -> Figure:
    classes, images = len(names), counts.sum(1)
    shares = counts / np.maximum(images, 1)[:, None]
    cell = 0.5 if classes <= _COUNTED else max(0.17, 8.5 / classes)
    side = float(np.clip(cell * classes, 3.0, 12.0))
    font = 9.0 if classes <= _COUNTED else float(np.clip(side / classes * 72 * 0.72, 5.5, 9.0))
    every = -(-classes // _NAMED)  # of more classes, only some have room for a name
    ticks = list(range(0, classes, every))
    shown = [literal(in_short(names[index], 28)) for index in ticks]
    margin = 0.0085 * font * max(map(len, shown))
    figure = blank(side + margin + 2.9, side + margin + 1.0, "compressed")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(ticks, shown, rotation=90, fontsize=font)
    axes.set_yticks(ticks, shown, fontsize=font)
    axes.set(xlabel="predicted class", ylabel="true class")
    recall = axes.secondary_yaxis("right")
    labels = [f"{shares[i, i]:.2f} of {images[i]}" if images[i] else "no images" for i in ticks]
    recall.set_yticks(ticks, labels, fontsize=font)
    recall.set_ylabel("recall, of this number of images")
    if classes <= _COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.55 else "0.15"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)
    else:
        axes.set_xticks(np.arange(0.5, classes), minor=True)
        axes.set_yticks(np.arange(0.5, classes), minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.3)
        axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.035, aspect=30)
    bar.set_label("share of the true class's images")
    accuracy = counts.trace() / max(int(images.sum()), 1)
    title = f"epoch {epoch}, accuracy {accuracy:.4f} over {images.sum():,} evaluation images"
    figure.suptitle(heading(run, title), fontsize=10)
    return figure
