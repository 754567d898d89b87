"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import wandb

from registry.engine import EpochRecord, TrackedRun, Tracker

from .names import scalars


class WeightsAndBiases(Tracker):
    """See the spec ``wandb``."""

    def __init__(self, project: str | None, mode: Literal["offline", "online"], entity: str | None) -> None:
        self.project, self.mode, self.entity = project, mode, entity

    def start(self, run: TrackedRun) -> dict[str, str]:
        self.run = wandb.init(
            project=self.project or run.name,
            entity=self.entity,
            mode=self.mode,
            dir=str(run.folder),
            name=run.folder.name,
            id=run.state.get("id"),  # the same run goes on
            resume="allow" if run.state else None,
            config=dict(run.settings),
            settings=wandb.Settings(silent=True, console="off"),
        )
        return {"id": self.run.id}

    def epoch(self, record: EpochRecord) -> None:
        self.run.log(scalars(record), step=record.epoch)

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        self.run.log({tag: value}, step=epoch)

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        self.run.log({tag: wandb.Image(picture)}, step=epoch)

    def finish(self, summary: Mapping[str, Any]) -> None:
        self.run.summary.update({f"best/{name}": value for name, value in summary["best"].items()})
        self.run.finish(exit_code=int(summary["status"] == "failed"))
