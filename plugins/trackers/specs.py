"""Specs of the trackers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from registry import InputError, preflighted_by

if TYPE_CHECKING:
    from registry.engine import Tracker


def _installed(package: str) -> Callable[[Mapping[str, Any]], None]:
    """A preflight that refuses a run whose tracker's package is not installed."""

    def look(arguments: Mapping[str, Any]) -> None:
        if find_spec(package) is None:
            message = f"needs the package {package}, which is not installed"
            raise InputError.of(
                package, message, f"pip install {package}, or all trackers: pip install 'hw1cli[trackers]'"
            )

    return look


def tensorboard() -> Tracker:
    """TensorBoard events in the run folder, which 'hw1cli board' shows: curves, pictures, features, settings."""
    from .tensorboard import TensorBoard

    return TensorBoard()


@preflighted_by(_installed("mlflow"))
def mlflow(*, uri: str | None = None, experiment: str | None = None) -> Tracker:
    """MLflow: parameters, metrics, figures and the model of each run, in a local store or on a server.

    Args:
        uri: of the store; null for MLFLOW_TRACKING_URI or else mlflow.db in the working folder.
        experiment: its name; null for the recipe's.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    from .mlflow import MLflow

    return MLflow(uri, experiment)


@preflighted_by(_installed("wandb"))
def wandb(
    *,
    project: str | None = None,
    mode: Literal["offline", "online"] = "offline",
    entity: str | None = None,
) -> Tracker:
    """Weights & Biases. Offline runs are kept in the run folder; 'wandb sync RUN/wandb/offline-run-*' uploads them.

    Args:
        project: its name; null for the recipe's.
        mode: offline, or online, which uploads while the run goes on and needs 'wandb login'.
        entity: user or team of an online run; null for your own.
    """
    from .wandb import WeightsAndBiases

    return WeightsAndBiases(project, mode, entity)


@preflighted_by(_installed("trackio"))
def trackio(*, project: str | None = None) -> Tracker:
    """Trackio, kept on this machine, in TRACKIO_DIR or else its own folder; 'trackio show' opens it.

    Args:
        project: its name; null for the recipe's.
    """
    from .trackio import Trackio

    return Trackio(project)
