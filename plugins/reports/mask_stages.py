"""Masks at several stages of the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from registry import InputError
from registry.engine import Classes, Confusion, Run, displayed, hatched, legend_entry

from .figures import blank, heading, literal, publish
from .pictures import write_picture, write_table


class MaskStages:
    """See the spec ``mask_stages``.

    Each stage's masks are kept as files, so that the figure is whole also after a resumed run.
    """

    def __init__(
        self,
        images: Sequence[str] | int,
        at: Sequence[int | str],
        class_names: Sequence[str],
        class_colors: Sequence[Any],
        ignore_index: int | None,
    ) -> None:
        self.images, self.at = images, list(at)
        self.names, self.colors = list(class_names), list(class_colors)
        self.classes = Classes.of(class_names, class_colors, ignore_index)

    def ready(self, run: Run) -> None:
        """Check before the training that there are masks to compare with.

        Raises:
            InputError: there are none.
        """
        if run.val is None or "mask" not in run.evaluation_sample(0):
            raise InputError.of("mask_stages", "needs an evaluation split with masks", "leave it out of `reports`")

    def __call__(self, run: Run, epoch: int) -> None:
        """Predict the images, keep their masks, and draw the figure of all stages so far."""
        folder = run.folder.figures / "mask_stages"
        folder.mkdir(parents=True, exist_ok=True)
        samples = [run.evaluation_sample(index) for index in self._indices(run)]
        for sample, logits in zip(samples, run.predict(samples), strict=True):
            mask = logits.max(0).indices.numpy().astype(np.uint8)
            Image.fromarray(mask).save(folder / f"{sample['name']}_epoch_{epoch:04d}.png")
            Image.fromarray(np.asarray(sample["mask"], np.uint8)).save(folder / f"{sample['name']}_truth.png")
            write_picture(folder / f"{sample['name']}_image.jpg", sample["image"])
        publish(self._figure(run, samples, folder), run, "mask_stages", epoch)

    def _indices(self, run: Run) -> list[int]:
        names = run.evaluation_names()
        if isinstance(self.images, int):
            # Spread over the split: neighbours, such as frames of one film, are often alike.
            return [round(place) for place in np.linspace(0, len(names) - 1, min(self.images, len(names)))]
        found = [names.index(name) for name in self.images if name in names]
        missing = [name for name in self.images if name not in names]
        if missing:
            found = found or list(range(min(len(self.images), len(names))))
            drawn = ", ".join(names[index] for index in found)
            run.add_caveat(f"mask_stages: {', '.join(missing)} not among the evaluation images; shown instead: {drawn}")
        return found

    def _figure(self, run: Run, samples: Sequence[dict[str, Any]], folder: Path) -> Figure:
        stages = sorted({int(path.stem.rpartition("_")[2]) for path in folder.glob("*_epoch_*.png")})
        columns, cell = 2 + len(stages), 1.9
        height = cell * max(sample["image"].shape[0] / sample["image"].shape[1] for sample in samples)
        entries = -(-len(self.names) // -(-len(self.names) // (2 * columns)))  # in lines of equal length
        legend = 0.32 * -(-len(self.names) // entries) + 0.2
        figure = blank(cell * columns, (height + 0.3) * len(samples) + 0.5 + legend)
        rows = [["name", "epoch", "iou"]]
        axes = figure.subplots(len(samples), columns, squeeze=False)
        beyond = False
        for row, sample in zip(axes, samples, strict=True):
            truth = np.asarray(sample["mask"])
            panels = [(sample["name"], displayed(sample["image"])), ("truth", hatched(truth, self.colors))]
            beyond |= bool((truth >= len(self.colors)).any())
            for stage in stages:
                mask = np.asarray(Image.open(folder / f"{sample['name']}_epoch_{stage:04d}.png"))
                iou = Confusion.of(truth, mask, self.classes).image_iou
                rows.append([sample["name"], str(stage), f"{iou:.4f}"])
                panels.append((f"epoch {stage}: IoU {iou:.2f}", hatched(mask, self.colors)))
            for axis, (title, picture) in zip(row, panels, strict=True):
                axis.imshow(picture, interpolation="auto")  # hatches that are made smaller are averaged
                axis.set_title(literal(title), fontsize=9)
                axis.set_axis_off()
        write_table(folder / "stages.csv", rows)
        figure.suptitle(heading(run, "predicted masks by epoch"), fontsize=11)
        patches = [
            legend_entry(color, literal(name) + (" (not scored)" if label == self.classes.ignored else ""), label)
            for label, (name, color) in enumerate(zip(self.names, self.colors, strict=False))
        ]
        if beyond:  # a label that is not a class, drawn in grey
            patches.append(legend_entry((110, 110, 110), "ignored (not scored)"))
        figure.legend(handles=patches, loc="outside lower center", ncols=entries, fontsize=8)
        return figure
