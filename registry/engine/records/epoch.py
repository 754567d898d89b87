"""The numbers of one epoch, before any tracker gives them a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Columns that describe the run.
_RUN: Final = ("lr", "images_per_second", "seconds")


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch came to.

    Attributes:
        epoch: 1-based.
        train: means over the training images, ``loss`` among them; empty where nothing learns.
        val: scores of the evaluation, ``loss`` among them where it is one; empty where nothing was evaluated.
            ``start/<score>`` is the monitored score before the first step.
        run: ``lr``, ``images_per_second`` and ``seconds`` of the training steps.
    """

    epoch: int
    train: Mapping[str, float] = field(default_factory=dict)
    val: Mapping[str, float] = field(default_factory=dict)
    run: Mapping[str, float] = field(default_factory=dict)

    def scores(self) -> dict[str, float]:
        """Figures of training and evaluation under the names of the metrics files: ``train_loss``, ``val_loss``, ..."""
        train = {f"train_{name}": value for name, value in self.train.items()}
        return train | {"val_loss" if name == "loss" else name: value for name, value in self.val.items()}

    def columns(self) -> dict[str, float]:
        """A row of the metrics files: ``epoch``, the scores, then what describes the run."""
        return {"epoch": self.epoch, **self.scores(), **self.run}

    @classmethod
    def from_columns(cls, row: Mapping[str, float]) -> EpochRecord:
        """The record of which ``row`` holds the columns."""
        train = {name.removeprefix("train_"): row[name] for name in row if name.startswith("train_")}
        others = [name for name in row if not name.startswith("train_") and name not in (*_RUN, "epoch")]
        val = {"loss" if name == "val_loss" else name: row[name] for name in others}
        return cls(int(row["epoch"]), train, val, {name: row[name] for name in _RUN if name in row})
