"""MLflow, through its client alone: the fluent API's active run stays the user's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from registry.engine import EpochRecord, TrackedRun, Tracker

from .names import scalars

#: Parameters in one request, and letters of a value: what MLflow takes at most.
_AT_ONCE: Final = 100
_LETTERS: Final = 6000
#: The status of a run -> MLflow's.
_STATUS: Final = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MLflow(Tracker):
    """See the spec ``mlflow``."""

    def __init__(self, uri: str | None, experiment: str | None) -> None:
        self.uri, self.experiment = uri, experiment

    def start(self, run: TrackedRun) -> dict[str, str]:
        self.client, self.folder = MlflowClient(self.uri), run.folder
        self.run_id = self._resumed(run) or self._created(run)
        # A figure cannot be taken back. Epochs that are computed again give the same ones.
        self.recorded = max((metric.step for metric in self.client.get_metric_history(self.run_id, "epoch")), default=0)
        return {"run_id": self.run_id}

    def _resumed(self, run: TrackedRun) -> str | None:
        if "run_id" not in run.state:
            return None
        try:
            self.client.update_run(run.state["run_id"], status="RUNNING")
        except MlflowException:  # another store, or deleted there
            return None
        return str(run.state["run_id"])

    def _created(self, run: TrackedRun) -> str:
        name = self.experiment or run.name
        found = self.client.get_experiment_by_name(name)
        experiment = self.client.create_experiment(name) if found is None else found.experiment_id
        created = self.client.create_run(experiment, run_name=run.folder.name).info.run_id
        parameters = iter([Param(path, str(value)[:_LETTERS]) for path, value in run.settings.items()])
        while some := list(islice(parameters, _AT_ONCE)):
            self.client.log_batch(created, params=some)
        tags = [RunTag("hw1cli.folder", str(run.folder.absolute())), RunTag("hw1cli.monitor", run.monitor)]
        self.client.log_batch(created, tags=tags)
        self.client.log_text(created, run.recipe, "recipe.yaml")
        return str(created)

    def epoch(self, record: EpochRecord) -> None:
        if record.epoch > self.recorded:
            self._log({"epoch": record.epoch, **scalars(record)}, record.epoch)

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        if epoch > self.recorded:
            self._log({tag: value}, epoch)

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        self.client.log_image(self.run_id, picture, artifact_file=f"{tag}/epoch_{epoch:04d}.png")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The model and the summary, then MLflow's status of the run."""
        for path in self._files():
            self.client.log_artifact(self.run_id, str(path), "model" if path.suffix == ".pt" else None)
        if summary["monitor"] in summary["best"]:
            self._log({f"best_{summary['monitor']}": summary["best"][summary["monitor"]]}, summary["epochs"])
        self.client.set_terminated(self.run_id, _STATUS[summary["status"]])

    def _files(self) -> Iterator[Path]:
        """The best weights, or the last ones where nothing was evaluated; the plan and the summary."""
        weights = [self.folder / "checkpoints" / name for name in ("best.pt", "last.pt")]
        yield from [path for path in weights if path.is_file()][:1]
        yield from (self.folder / "plan.json", self.folder / "summary.json")

    def _log(self, figures: Mapping[str, float], epoch: int) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, [Metric(name, value, now, epoch) for name, value in figures.items()])
