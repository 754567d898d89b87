"""What a run records while it trains: the metrics files of its folder, always, and the trackers of its recipe."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import files
from ...results.runs import read_object, read_rows
from .epoch import EpochRecord

#: What trackers need to go on with a resumed run, in the run folder: name -> state.
STATES: Final = "trackers.json"


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker gets at the start.

    Attributes:
        name: the recipe's.
        folder: the run folder.
        settings: all that the plan sets: dotted path as in a recipe -> value.
        recipe: the resolved recipe, in YAML.
        monitor: the score that chooses the best checkpoint, by its name in ``EpochRecord.val``.
        epochs: length of the run.
        after: epochs that a resumed run keeps; 0 for a new one.
        state: what ``start`` returned when the run was started; empty for a new one.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    monitor: str = "loss"
    epochs: int = 0
    after: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)


class Tracker:
    """Base of trackers, which record a run beside the files in its folder; each method does nothing by default.

    Methods are called between epochs and must not take long. A tracker that raises is not called again; training goes
    on, and the run ends with exit code 3.
    """

    def start(self, run: TrackedRun) -> Mapping[str, Any] | None:
        """Begin, or go on after ``run.after`` epochs: what was recorded of later ones is about to be computed again.

        Returns:
            Plain JSON values that the same run gets as ``run.state`` when it is resumed.
        """

    def epoch(self, record: EpochRecord) -> None:
        """Record the figures of an epoch."""

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Record a number that is not one of the epoch's figures, such as a report's ``reports/pca/variance``."""

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        """Record a picture, uint8 (H, W, 3): ``val/0`` of predictions, ``reports/curves`` of a report."""

    def pr_curve(self, tag: str, counts: np.ndarray, epoch: int) -> None:
        """Record the precision-recall curve of a class, ``val_classes/NAME``.

        Args:
            tag: names it.
            counts: (2, bins) int64: images or pixels by the probability of the class, in equal bins of 0..1; first
                those that do not have the class, then those that have it.
            epoch: 1-based.
        """

    def embedding(
        self,
        tag: str,
        features: np.ndarray,
        table: Sequence[Sequence[str]],
        header: Sequence[str],
        thumbnails: np.ndarray,
        epoch: int,
    ) -> None:
        """Record vectors; several reports may give the same ones.

        Args:
            tag: a plain word.
            features: (N, D).
            table: N rows of metadata, in the columns of the header.
            header: at least two names.
            thumbnails: (N, H, W, 3) uint8.
            epoch: 1-based.
        """

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The run has ended: done, stopped or failed; ``summary`` is the content of ``summary.json``."""


class Trackers:
    """All that records a run.

    Args:
        folder: the run folder.
        trackers: by their names.
    """

    def __init__(self, folder: Path, trackers: Mapping[str, Tracker] | None = None) -> None:
        self.folder, self.active = folder, dict(trackers or {})
        self.records: list[EpochRecord] = []
        self._failed: Callable[[str, BaseException], None] = lambda text, error: None

    def start(self, run: TrackedRun, failed: Callable[[str, BaseException], None]) -> None:
        """Drop what the files hold beyond ``run.after``, and start every tracker.

        Args:
            run: its ``state`` is filled in for each tracker.
            failed: called with a sentence and the error where a tracker fails.
        """
        self._failed = failed
        rows, _torn = read_rows(self.folder / "metrics.jsonl")  # a torn last line is left out
        self.records = [record for record in map(EpochRecord.from_columns, rows) if record.epoch <= run.after]
        self._write_files()
        path = self.folder / STATES
        states = read_object(path) if path.exists() else {}

        def begin(name: str, tracker: Tracker) -> None:
            state = tracker.start(replace(run, state=states.get(name, {})))
            if state:
                files.write_json(path, {**states, name: dict(state)})
                states[name] = state

        self._each(begin)

    def epoch(self, record: EpochRecord) -> None:
        """Write the figures of an epoch."""
        self.records.append(record)
        self._write_files()
        self._each(lambda _, tracker: tracker.epoch(record))

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """See ``Tracker.scalar``."""
        self._each(lambda _, tracker: tracker.scalar(tag, value, epoch))

    def picture(self, tag: str, picture: np.ndarray, epoch: int) -> None:
        """See ``Tracker.picture``."""
        self._each(lambda _, tracker: tracker.picture(tag, picture, epoch))

    def pr_curve(self, tag: str, counts: np.ndarray, epoch: int) -> None:
        """See ``Tracker.pr_curve``."""
        self._each(lambda _, tracker: tracker.pr_curve(tag, counts, epoch))

    def embedding(self, tag: str, *vectors: Any) -> None:
        """See ``Tracker.embedding``."""
        self._each(lambda _, tracker: tracker.embedding(tag, *vectors))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """See ``Tracker.finish``."""
        self._each(lambda _, tracker: tracker.finish(summary))

    def _each(self, call: Callable[[str, Tracker], None]) -> None:
        for name, tracker in list(self.active.items()):
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    call(name, tracker)
            except (Exception, SystemExit) as error:
                del self.active[name]
                reason = str(error) or type(error).__name__
                self._failed(f"tracker {name!r} failed and records nothing more of this run: {reason}", error)

    def _write_files(self) -> None:
        if not self.records:
            return
        rows = [record.columns() for record in self.records]
        lines = "".join(files.to_json(row) + "\n" for row in rows)
        files.write_text(self.folder / "metrics.jsonl", lines)
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files.write_text(self.folder / "metrics.csv", table.getvalue())
