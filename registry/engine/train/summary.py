"""What a run comes to: the content of ``summary.json``."""

from __future__ import annotations

import os
import time
from typing import Any

from .run import Run

#: Columns of an epoch's row that are no scores.
_NO_SCORES = ("epoch", "lr", "seconds", "images_per_second")


def summarize(run: Run, status: str) -> dict[str, Any]:
    """The figures of a run.

    Args:
        run: finished or not.
        status: ``done``, ``stopped`` or ``failed``.

    Returns:
        Among others ``best`` and ``last`` (score -> value of the best and of the last epoch; the last one also stands
        for the best where nothing was evaluated) and ``images_per_second`` (of the training steps alone).
    """
    position, rows = run.position, run.trackers.rows
    scores = {row["epoch"]: {name: row[name] for name in row if name not in _NO_SCORES} for row in rows}
    last = scores[max(scores)] if scores else {}
    return {
        "status": status,
        "recipe": str(run.plan.recipe.path),
        "demo": run.plan.demo,
        "seed": run.plan.seed,
        "epochs": len(scores),
        "monitor": run.monitored,
        "best_epoch": position.best_epoch or None,
        "best": scores.get(position.best_epoch, last),
        "last": last,
        "evaluation_images": len(run.val) if run.val is not None else 0,
        "wall_seconds": round(position.wall_seconds, 3),
        "images_per_second": round(position.images_seen / position.seconds, 3) if position.seconds else None,
        "precision": run.runtime.precision,
        "memory_format": run.runtime.memory_format,
        "device": str(run.runtime.device),
        "caveats": run.caveats,
        "failures": run.failures,
        "pid": os.getpid(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
