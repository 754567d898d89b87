"""What a checkpoint holds of a run: when one is due, how it is taken, and how a run goes on or starts from it."""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...recipe.plan import Plan
from ...results.runs import read_rows
from ..records import checkpoints, shards
from ..records.epoch import EpochRecord
from ..records.origin import changes, differences, started_with
from ..records.run_folder import RunFolder, from_run, has_checkpoints
from ..runtime import processes, sharding
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
    state = {
        "task": sharding.full_state(run.task),
        "position": vars(position),
        "scores": dict(scores),
        **_described(run),
    }
    if processes.rank() == 0:
        run.checkpoints.save(run.folder.best, state)


def _save(run: Run, learning: Learning, **settings: Any) -> None:
    state = {
        "task": run.task.state_dict(),
        "optimizer": learning.optimizer.state_dict() if learning.optimizer is not None else {},
        "position": vars(run.position),
        "random": processes.gathered(random_state(run.runtime.device)),
        "base_rates": learning.base_rates,
        **_described(run),
    }
    if learning.average is not None:
        state["average"] = learning.average.state_dict()
    sharded = sharding.is_sharded(run.task)
    if sharded:
        state = shards.write(run.folder.checkpoints, state)
    if processes.rank() == 0:
        run.checkpoints.save(run.folder.last, state, wait=sharded, **settings)
    learning.saved = time.monotonic()


def _described(run: Run) -> dict[str, Any]:
    """What makes a network of weights: the recipe, the facts of the data, how it was computed."""
    return {**run.description, "precision": run.runtime.precision, "memory_format": run.runtime.memory_format}


def resumed(plan: Plan, folder: RunFolder) -> tuple[Plan, dict[str, Any] | None, list[str]]:
    """The plan of a run that resumes, its newest checkpoint (None where none was written yet), and caveats.

    Raises:
        InputError: the folder holds another run.
        BrokenCheckpoint: none of its checkpoints can be read.
    """
    caveats, state = list[str](), None
    if (folder.path / "plan.json").is_file():
        plan = replace(plan, origin=folder.read_json("plan.json").get("from"))
        caveats = differences(plan, folder)
    _, torn = read_rows(folder.path / "metrics.jsonl")
    caveats += [f"metrics.jsonl {torn}; it is left out"] if torn else []
    if has_checkpoints(folder.path):
        try:
            state, older = checkpoints.load_newest(folder.checkpoints, fill=not sharding.wanted(plan.runtime))
        except checkpoints.BrokenCheckpoint as broken:
            if (which := usable(folder)) is not None:
                broken.hint = f"start a new run from another checkpoint: {from_run(folder.path, which)}"
            raise
        caveats += filter(None, [older])
    else:
        caveats.append("the run had ended before its first checkpoint: it starts again")
    caveats += origin_sentences(plan)
    return replace(plan, recipe=started_with(plan.recipe, folder)), state, caveats


def started_from(plan: Plan, run: Path, which: str) -> tuple[Plan, dict[str, Any], list[str]]:
    """The plan of a new run that starts from another one's checkpoint, that checkpoint, and caveats.

    Raises:
        InputError: the checkpoint is of the last epoch, or holds weights that are not finite.
        BrokenCheckpoint: it cannot be read.
    """
    folder = RunFolder(run)
    path = checkpoints.named(folder.checkpoints, which)
    try:
        state = checkpoints.load(path)
    except checkpoints.BrokenCheckpoint as broken:
        broken.hint = checkpoints.instead_of(path) or broken.hint
        raise
    epoch = checkpoints.epoch_of(state)
    if not is_finite(state):
        other = usable(folder)
        hint = f"--checkpoint {other} is finite" if other else f"start again: hw1cli run {run / 'recipe.yaml'}"
        raise InputError.of(str(path), "holds weights that are NaN or infinite", hint)
    if epoch >= plan.loop.epochs:
        message = f"is {plan.loop.epochs}, and {path} is of epoch {epoch}: nothing is left to train"
        raise InputError.of("trainer.epochs", message, f"--set trainer.epochs={2 * epoch}, or another --checkpoint")
    changed, fits = changes(plan, folder)
    fits = fits and bool(state.get("optimizer"))
    if not fits:
        state.pop("optimizer", None)
    origin = {"run": str(run), "checkpoint": path.name, "epoch": epoch, "optimizer": fits, "changed": changed}
    plan = replace(plan, origin=origin)
    return plan, state, origin_sentences(plan)


def origin_sentences(plan: Plan) -> list[str]:
    """A caveat for a run that started from another one's state."""
    origin = plan.origin
    if origin is None:
        return []
    changed = f"; {', '.join(origin['changed'])}" if origin["changed"] else ""
    state = "" if origin["optimizer"] else ", its optimizer without an earlier state"
    where = f"{origin['run']}/checkpoints/{origin['checkpoint']}"
    return [f"started from {where}, after epoch {origin['epoch']}{state}{changed}"]


def is_finite(state: Mapping[str, Any]) -> bool:
    """Whether the weights of a checkpoint are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in state["task"].values() if tensor.is_floating_point())


def usable(folder: RunFolder) -> str | None:
    """The newest checkpoint that is whole and finite, as ``--checkpoint`` names it; None where there is none."""
    for path in checkpoints.whole(folder.checkpoints):
        if is_finite(checkpoints.load(path)):
            return checkpoints.word_of(path)
    return None


def way_out(run: Run) -> str:
    """The command that starts a new run from before a divergence, with a lower learning rate, to be copied."""
    rate = run.plan.optimizer.given_or_default().get("lr")
    change = f"--set optimizer.lr={rate / 10:g}" if isinstance(rate, float) else "--set trainer.clip_norm=1"
    which = usable(run.folder)
    start = from_run(run.folder.path, which) if which else f"hw1cli run {run.folder.path / 'recipe.yaml'}"
    return f"{start} {change}"


def start_from(run: Run, learning: Learning, state: Mapping[str, Any]) -> None:
    """Put another run's weights, optimizer state and epoch in place; rates and everything else are the new run's.

    Raises:
        BrokenCheckpoint: it is not the state of such a network.
    """
    with fitting("the checkpoint"):
        sharding.load(run.task, state["task"])
        if learning.average is not None:
            learning.average.load_state_dict(state.get("average", state["task"]))
        if learning.optimizer is not None and "optimizer" in state:
            groups = learning.optimizer.state_dict()["param_groups"]
            sharding.load_optimizer(learning.optimizer, {**state["optimizer"], "param_groups": groups})
        epoch = checkpoints.epoch_of(state)
        steps = -(-len(learning.train_order) // run.plan.loop.accumulate)
        run.position = Position(epoch=epoch + 1, step=epoch * steps)


def restore(run: Run, learning: Learning, state: Mapping[str, Any]) -> None:
    """Put a checkpoint's state in place.

    Raises:
        BrokenCheckpoint: it is not the state of such a run.
    """
    with fitting("the checkpoint"):
        if "shards" in state:  # each process reads its own parts
            folder = processes.from_first(lambda: run.folder.checkpoints.resolve())
            state = shards.read(folder, state, _sharded_places(run, learning))
        sharding.load(run.task, state["task"])
        if learning.average is not None:
            learning.average.load_state_dict(state["average"])
        if learning.optimizer is not None:
            sharding.load_optimizer(learning.optimizer, state["optimizer"])
        learning.base_rates = state["base_rates"]
        run.position = Position(**state["position"])
        if processes.rank() < len(state["random"]):  # with more processes than before, the others begin anew
            set_random_state(state["random"][processes.rank()], run.runtime.device)


def _sharded_places(run: Run, learning: Learning) -> Callable[[str], Any]:
    """A sharded tensor like that of each place in a checkpoint: the optimizer's are like their parameters."""
    states = {"task": run.task.state_dict(), "average": learning.average.state_dict() if learning.average else {}}
    groups = learning.optimizer.param_groups if learning.optimizer is not None else []
    parameters = [each for group in groups for each in group["params"]]

    def like(place: str) -> Any:
        _, part, *names = place.split("/")
        return states[part][names[0]] if part in states else parameters[int(names[1])]

    return like


@contextmanager
def fitting(source: Path | str) -> Iterator[None]:
    """Turn the errors of putting a checkpoint's state in place into one of ours; ``source`` is what is put there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:300]
        raise checkpoints.BrokenCheckpoint(f"{source} does not fit this run: {reason}") from error
