"""Trackio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import trackio

from registry.engine import EpochRecord, TrackedRun, Tracker

from .names import scalars


class Trackio(Tracker):
    """See the spec ``trackio``."""

    def __init__(self, project: str | None) -> None:
        self.project = project

    def start(self, run: TrackedRun) -> dict[str, str]:
        self.run = trackio.init(
            self.project or run.name,
            name=run.state.get("name", f"{run.folder.absolute().parent.name}/{run.folder.name}"),
            config=dict(run.settings),
            resume="allow" if run.state else "never",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )
        return {"name": self.run.name}

    def epoch(self, record: EpochRecord) -> None:
        self.run.log(scalars(record), step=record.epoch)

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        self.run.log({tag: value}, step=epoch)

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        self.run.log({tag: trackio.Image(picture)}, step=epoch)

    def finish(self, summary: Mapping[str, Any]) -> None:
        self.run.finish()  # type: ignore[no-untyped-call]
