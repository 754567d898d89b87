"""The content of ``summary.json``."""

from __future__ import annotations

import os
import time
from typing import Any

from .run import Run


def summarize(run: Run, status: str) -> dict[str, Any]:
    """The results of a run, as far as it got.

    Args:
        run: finished or not.
        status: ``done``, ``pruned`` (a trial of a sweep that ended early), ``stopped`` or ``failed``.

    Returns:
        Among others ``best`` and ``last`` (score -> value of the best and of the last epoch; ``best`` is the last
        one where nothing was evaluated), ``start`` (the monitored score before the first step, where it was measured)
        and ``images_per_second`` (of the training steps alone).
    """
    position = run.position
    scores = {record.epoch: record.scores() for record in run.trackers.records}
    last = scores[max(scores)] if scores else {}
    return {
        "status": status,
        "recipe": str(run.plan.recipe.path),
        "name": run.plan.recipe.name,
        "demo": run.plan.demo,
        "seed": run.plan.seed,
        "from": run.plan.origin,
        "epochs": len(scores),
        "monitor": run.monitored,
        "best_epoch": position.best_epoch or None,
        "start": run.position.start.get(f"start/{run.task.monitor}"),
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


def later_caveats(run: Run) -> list[str]:
    """What a run left out on its way, in sentences."""
    steps, part, found = run.position.skipped_steps, run.position.part, [run.skipped.caveat]
    if steps:
        were = "1 step was" if steps == 1 else f"{steps} steps were"
        found.append(f"{were} skipped, since loss or gradients were NaN or infinite")
    if part:
        text = f"batches were computed {part} image{'s' * (part > 1)} at a time for want of memory"
        found.append(f"{text}: batch normalisation saw these alone")
    return [caveat for caveat in found if caveat is not None]


def start_caveat(run: Run) -> str | None:
    """A caveat for a run whose monitored score is not better than before its first step; None where it is."""
    monitor, position = run.task.monitor, run.position
    start = position.start.get(f"start/{monitor}")
    scores = [record.val[monitor] for record in run.trackers.records if monitor in record.val]
    if start is None or not scores or position.best_score is None or run.task.is_better(scores[-1], start):
        return None
    end = f"{monitor} ends at {scores[-1]:.4f}, not better than the {start:.4f} before the first step"
    if run.task.is_better(position.best_score, start):
        return f"{end}; its best was {position.best_score:.4f} after epoch {position.best_epoch}"
    return f"{end}, and no epoch was: the training has not improved the network"
