"""What a checkpoint holds of a run: when one is due, how it is taken, and how it is put in place."""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import checkpoints
from ..records.epoch import EpochRecord
from ..runtime.device import random_state, set_random_state
from .run import Learning, Position, Run


def save_within_epoch(run: Run, learning: Learning) -> bool:
    """Whether a checkpoint is due after the step that was just done."""
    every = run.plan.loop.save_every
    if every.seconds is not None:
        return time.monotonic() - learning.saved > every.seconds
    return every.steps is not None and run.position.step % every.steps == 0


def save(run: Run, learning: Learning) -> None:
    """Write everything that a resumed run needs as ``last.pt``."""
    _save(run, learning)


def save_epoch(run: Run, learning: Learning, *, ended: bool) -> None:
    """Write ``last.pt`` after an epoch, if one is due, and keep it under the epoch's name where the recipe asks.

    The position is the next epoch's start; ``ended`` is whether the run ends here.
    """
    loop, epoch = run.plan.loop, run.position.epoch - 1
    keep, before = kept(run, run.trackers.records), kept(run, run.trackers.records[:-1])
    best = run.position.best_epoch == epoch  # best.pt is never ahead of last.pt
    if ended or best or epoch in keep or loop.save_every.epochs is None or epoch % loop.save_every.epochs == 0:
        folder = run.folder.checkpoints
        also = folder / checkpoints.of_epoch(epoch) if epoch in keep else None
        _save(run, learning, also=also, instead_of=[folder / checkpoints.of_epoch(each) for each in before - keep])


def kept(run: Run, records: Sequence[EpochRecord]) -> set[int]:
    """The epochs whose checkpoints are kept: every so many, and those with the best scores."""
    loop, name = run.plan.loop, run.task.monitor
    scored = [each for each in records if math.isfinite(each.val.get(name, math.nan))]

    def order(one: EpochRecord, other: EpochRecord) -> int:
        return run.task.is_better(other.val[name], one.val[name]) - run.task.is_better(one.val[name], other.val[name])

    best = sorted(scored, key=functools.cmp_to_key(order))[: loop.keep_best or 0]
    regular = {each.epoch for each in records if loop.keep_every and each.epoch % loop.keep_every == 0}
    return regular | {each.epoch for each in best}


def save_best(run: Run, scores: Mapping[str, float]) -> None:
    """Write the weights as ``best.pt``, with everything that ``predict`` needs; in the epoch that they are of."""
    position = copy.copy(run.position)
    position.next_epoch()
    state = {"task": run.task.state_dict(), "position": vars(position), "scores": dict(scores), **_described(run)}
    run.checkpoints.save(run.folder.best, state)


def _save(run: Run, learning: Learning, **settings: Any) -> None:
    state = {
        "task": run.task.state_dict(),
        "optimizer": learning.optimizer.state_dict() if learning.optimizer is not None else {},
        "position": vars(run.position),
        "random": random_state(run.runtime.device),
        "base_rates": learning.base_rates,
        **_described(run),
    }
    if learning.average is not None:
        state["average"] = learning.average.state_dict()
    run.checkpoints.save(run.folder.last, state, **settings)
    learning.saved = time.monotonic()


def _described(run: Run) -> dict[str, Any]:
    """What makes a network of weights: the recipe, the facts of the data, how it was computed."""
    return {**run.description, "precision": run.runtime.precision, "memory_format": run.runtime.memory_format}


def restore(run: Run, learning: Learning, state: Mapping[str, Any]) -> None:
    """Put a checkpoint's state in place.

    Raises:
        BrokenCheckpoint: it is not the state of such a run.
    """
    try:
        run.task.load_state_dict(state["task"])
        if learning.average is not None:
            learning.average.load_state_dict(state["average"])
        if learning.optimizer is not None:
            learning.optimizer.load_state_dict(state["optimizer"])
        learning.base_rates = state["base_rates"]
        run.position = Position(**state["position"])
        set_random_state(state["random"], run.runtime.device)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise checkpoints.BrokenCheckpoint(f"the checkpoint does not fit this run: {reason}") from error
