"""Out-of-fold predictions: each training image predicted by the run of the fold that held it out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal

from ... import files
from ...errors import InputError
from .report import as_csv, finite
from .run import RunQuestion, evaluate_run


def write(folds: Mapping[int, Path], table: Path, terminal: Terminal) -> dict[str, Any]:
    """Evaluate each run on its own fold, and write a row for every image and the scores of all of them together.

    Args:
        folds: the run of each fold, finished.
        table: the csv file, with columns ``name``, ``fold`` and those of ``per_image.csv``, and ``probability/CLASS``
            for every class of images with labels; the scores are in a JSON file beside it.
        terminal: where progress is shown.

    Returns:
        What the JSON file holds: ``kind``, ``images``, ``folds`` and ``scores`` of all images together.

    Raises:
        InputError: the runs do not predict classes, or the data are not there any more.
    """
    rows, whole = list[dict[str, Any]](), None
    for fold, run in sorted(folds.items()):
        tally = evaluate_run(RunQuestion(run, worst=0, probabilities=True), terminal).tally
        if tally is None:
            raise InputError.of(str(run), "does not predict classes")
        rows += [{"name": row["name"], "fold": fold, **row} for row in tally.rows]
        if whole is None:
            whole = tally
        else:
            whole.counts += tally.counts
            whole.rows += tally.rows
    assert whole is not None
    rows.sort(key=lambda row: str(row["name"]))
    files.write_text(table, as_csv(rows[0], [map(finite, row.values()) for row in rows]))
    scores = {name: finite(value) for name, value in whole.scores().items()}
    found = {"kind": whole.kind, "images": len(rows), "folds": len(folds), "scores": scores}
    files.write_json(table.with_suffix(".json"), found)
    return found
