"""TensorBoard events."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from registry.engine import EpochRecord, TrackedRun, Tracker

from . import projector
from .names import main_scalars, scalars


class TensorBoard(Tracker):
    """See the spec ``tensorboard``."""

    def start(self, run: TrackedRun) -> None:
        _quieten_the_writer()
        self.run, self.folder = run, run.folder / "tensorboard"
        # purge_step hides the events that a resumed run is about to write again.
        self.writer = SummaryWriter(str(self.folder), purge_step=run.after + 1 if run.after else None)
        self._embedded = set[tuple[str, int]]()
        self._tags = dict[str, None]()
        projector.keep_until(self.folder, run.after)
        if not run.after:
            self.writer.add_text("recipe", f"```yaml\n{run.recipe}\n```", 0)
            losses = {"loss": ["Multiline", ["train/loss", "val/loss"]]}
            self.writer.add_custom_scalars({"training against evaluation": losses})

    def epoch(self, record: EpochRecord) -> None:
        main = main_scalars(record, self.run.monitor)
        self._tags |= dict.fromkeys(main)
        for tag, value in {**main, **scalars(record)}.items():
            self.writer.add_scalar(tag, value, record.epoch)
        self.writer.flush()

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        self.writer.add_scalar(tag, value, epoch)

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        self.writer.add_image(tag, picture, epoch, dataformats="HWC")

    def pr_curve(self, tag: str, counts: np.ndarray, epoch: int) -> None:
        bins = counts.shape[1]
        probabilities = np.tile((np.arange(bins) + 0.5) / (bins - 1), 2)  # TensorBoard's bin i begins at i / (bins - 1)
        truth = np.repeat([0, 1], bins)
        self.writer.add_pr_curve(tag, truth, probabilities, epoch, num_thresholds=bins, weights=counts.ravel())

    def embedding(
        self,
        tag: str,
        features: np.ndarray,
        table: Sequence[Sequence[str]],
        header: Sequence[str],
        thumbnails: np.ndarray,
        epoch: int,
    ) -> None:
        if (tag, epoch) in self._embedded:
            return
        self._embedded.add((tag, epoch))
        # torch would warn about the files of an interrupted run.
        shutil.rmtree(self.folder / f"{epoch:05d}" / tag, ignore_errors=True)
        before = projector.entries(self.folder)
        images = torch.from_numpy(projector.fitting(thumbnails)).permute(0, 3, 1, 2).float() / 255
        rows = [[" ".join(str(cell).split()) for cell in row] for row in table]  # a tab would begin another column
        self.writer.add_embedding(torch.from_numpy(features), rows, images, epoch, tag, list(header))
        # torch's list holds only what this process has written.
        listed = {entry.tensor_name: entry for entry in (*before, *projector.entries(self.folder))}
        projector.write(self.folder, [listed[name] for name in sorted(listed)])

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The settings with the final figures, for the tab HParams; then the file is closed."""
        best = summary["best"].get(summary["monitor"])
        if best is not None:
            tag = f"run/best_{summary['monitor']}"
            self._tags[tag] = None
            self.writer.add_scalar(tag, best, summary["epochs"])
        plain = {path: value for path, value in self.run.settings.items() if isinstance(value, (bool, int, float, str))}
        for part in hparams(plain, self._tags):  # type: ignore[no-untyped-call]
            self.writer.file_writer.add_summary(part)  # type: ignore
        self.writer.close()


@functools.cache
def _quieten_the_writer() -> None:
    """Keep tracebacks of TensorBoard's writing thread off the terminal, as of a full disk: its next call raises."""
    others = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not type(failed.thread).__module__.startswith("tensorboard."):
            others(failed)

    threading.excepthook = hook
