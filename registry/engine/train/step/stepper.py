"""One optimizer step: the gradients of its batches, in parts that fit into memory, and whether all is finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from ...data.skipping import without
from ...runtime import processes
from ...runtime.device import random_state, set_random_state
from ...runtime.memory import OutOfMemory, is_out_of_memory, release
from ...runtime.sharding import full_state
from ..run import Learning, Run
from ..task import has_batch_norm
from . import not_finite
from .not_finite import Diverged

#: The figures of some images, and how many these are, of several processes their share of the batch's.
Figures: TypeAlias = tuple[dict[str, Tensor], float]
#: Steps that may be skipped one after the other: weights that are spoilt do not recover.
_IN_A_ROW: Final = 5


class Stepper:
    """Takes optimizer steps of a run.

    Whether loss and gradients are finite is known on the device. With ``on_nan: stop`` it is read at log points, when
    the loss is read anyway, and the failed batch is then read once more; on a CPU, where reading waits for nothing,
    and with ``on_nan: skip``, where the step depends on it, it is read in every step.
    """

    def __init__(self, run: Run, learning: Learning) -> None:
        self.run, self.learning, self.loop = run, learning, run.plan.loop
        self.device = run.runtime.device
        self.skips, self.halves = self.loop.on_nan == "skip", self.loop.auto_batch
        self.reads = self.skips or self.device.type == "cpu"
        self.least = 2 if has_batch_norm(run.task) else 1
        #: The first step with a loss, and with gradients, that are not finite; -1 for none.
        self.first = torch.full((2,), -1, device=self.device)
        self.began: dict[int, tuple[int, int, int]] = {}

    def step(self, group: Sequence[Mapping[str, Any]]) -> list[Figures] | None:
        """Take the step of some batches; the figures of each part and its images, None where it was skipped.

        Raises:
            Diverged: the loss or the gradients are not finite, and may not be skipped, or too often.
            OutOfMemory: a batch does not fit.
        """
        learning, position = self.learning, self.run.position
        number = position.step + 1
        kept = self._kept()
        figures = self._gradients(group, kept)
        finite = self._finite(figures)
        if self.reads:
            bad = processes.any_of(*(not good for good in finite.tolist()))
            if any(bad):
                self._leave_out(number, group, kept, in_loss=bad[0])
                return None
        if not self.reads:
            self.first = torch.where((self.first < 0) & ~finite, number, self.first)
            self.began[number] = (position.epoch, position.batch, len(group))
        learning.optimizer.step()
        learning.optimizer.zero_grad(set_to_none=True)
        position.skipped_in_a_row = 0
        return figures

    def check(self) -> None:
        """Read whether all steps so far were finite; waits for the device.

        Raises:
            Diverged: one was not.
        """
        bad = [step for step in self.first.tolist() if step >= 0]
        if bad:
            step, in_loss = min(bad), self.first[0].item() == min(bad)
            group = not_finite.group_at(self.learning, *self.began[step])
            path = not_finite.keep(self.run, step, group, {})
            what = not_finite.what_is_not_finite(self.run, group, in_loss)
            raise not_finite.diverged(self.run, what.split(" of ")[0], step, group, path)
        self.began.clear()

    # --- gradients ------------------------------------------------------------------------------

    def _gradients(self, group: Sequence[Mapping[str, Any]], kept: Mapping[str, Any]) -> list[Figures]:
        """The gradients of the step, and the figures of its parts, which are smaller where memory runs out."""
        while True:
            try:
                return self._attempt(group)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                reason = release(error)
            self.learning.optimizer.zero_grad(set_to_none=True)
            largest = max(len(batch["name"]) for batch in group)
            part = min(self.run.position.part or largest, largest)
            if not self.halves or part <= self.least:
                raise self._does_not_fit(group, part, reason)
            self._restore(kept)
            self.run.position.part = max(self.least, part // 2)
            self.run.console.note(f"{part} images do not fit into memory: computed {self.run.position.part} at a time")

    def _attempt(self, group: Sequence[Mapping[str, Any]]) -> list[Figures]:
        """The gradients of the mean over all that counts in the batches, of all processes; DDP averages over these."""
        run, order, among = self.run, self.learning.train_order, processes.process_count()
        task, fabric, first = self.learning.task, run.runtime.fabric, run.position.batch
        pieces = [list(parts(batch, run.position.part, self.least)) for batch in group]
        if among == len(group) == len(pieces[0]) == 1:
            weights = [[1.0]]
        else:
            owned = zip(range(first, first + len(group)), pieces, strict=True)
            weights = [[float(order.own(number) and run.task.weight(part)) for part in cut] for number, cut in owned]
        totals = processes.summed([sum(each) for each in weights])
        found: list[Figures] = []
        for number, (cut, shares, total) in enumerate(zip(pieces, weights, totals, strict=True), first):
            for part, weight in zip(cut, shares, strict=True):
                to_come = part is not pieces[-1][-1]
                with fabric.no_backward_sync(task) if among > 1 and to_come else nullcontext():
                    figures = task(run.preprocess(part))
                    share = weight * among / (sum(totals) or 1)
                    fabric.backward(figures["loss"] if share == 1 else figures["loss"] * share)
                images = order.size(number) * (weight / (total or 1))
                found.append(({name: figure.detach() for name, figure in figures.items()}, images))
        return found

    def _does_not_fit(self, group: Sequence[Mapping[str, Any]], part: int, reason: str) -> OutOfMemory:
        """The error, with the largest half of a half ... of the batch that a whole step was taken with."""
        position, size = self.run.position, part // 2
        while size >= 1:
            try:
                batch = without(dict(group[0]), range(size, len(group[0]["name"])))
                self._attempt([batch])
                self.learning.optimizer.step()  # its state takes memory, too
                break
            except Exception as error:
                release(error)
                self.learning.optimizer.zero_grad(set_to_none=True)
                size //= 2
        where = f"in epoch {position.epoch}, step {position.step + 1}"
        fitting = f"{size} image{'s' * (size > 1)} {'fit' if size > 1 else 'fits'}"
        hint = "not even one image fits: make the images or the network smaller"
        if size:
            hint = f"{fitting}: set trainer.batch_size to {size}, or trainer.auto_batch: true to compute it in parts"
        return OutOfMemory(f"a training batch of {part} images does not fit into memory {where}: {reason}", hint)

    # --- what is not finite ---------------------------------------------------------------------

    def _finite(self, figures: Sequence[Figures]) -> Tensor:
        """Whether the loss, and the norm of the gradients, are finite: (2,) bool on the device."""
        run, clip, losses = self.run, self.loop.clip_norm, [found["loss"].float() for found, _ in figures]
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        norm: Any = None
        if clip is not None:
            wrapped, optimizer = self.learning.task, self.learning.optimizer
            norm = run.runtime.fabric.clip_gradients(wrapped, optimizer, max_norm=clip, error_if_nonfinite=False)
        elif run.runtime.precision != "fp16":
            norm = get_total_norm([each.grad for each in run.task.parameters() if each.grad is not None])
        if run.runtime.precision == "fp16":  # its scaler leaves out steps whose gradients overflow, which is usual
            norm = loss
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        return torch.isfinite(torch.stack([loss, norm.to(loss)]))

    def _leave_out(
        self, number: int, group: Sequence[Mapping[str, Any]], kept: Mapping[str, Any], *, in_loss: bool
    ) -> None:
        """Skip the step, everything as it was before; or raise where that is not wanted, or was done too often."""
        run, position = self.run, self.run.position
        what = not_finite.what_is_not_finite(run, group, in_loss)
        self.learning.optimizer.zero_grad(set_to_none=True)
        self._restore(kept)
        state = {"task": full_state(run.task), "random": kept["random"]}
        path = not_finite.keep(run, number, group, state)
        error = not_finite.diverged(run, what, number, group, path)
        if not self.skips:
            raise error
        position.skipped_steps += 1
        position.skipped_in_a_row += 1
        run.console.note(f"{error.message}; the step is skipped")
        if position.skipped_in_a_row >= _IN_A_ROW or position.skipped_steps > self.loop.max_skipped_steps:
            often = f"{position.skipped_in_a_row} steps in a row" if position.skipped_in_a_row >= _IN_A_ROW else ""
            often = often or f"{position.skipped_steps} steps, more than trainer.max_skipped_steps,"
            raise Diverged(f"{often} had to be skipped; the last one: {error.message}", error.hint)

    def _kept(self) -> dict[str, Any]:
        """What a step changes before its gradients are known: running statistics, and the random generators."""
        if not (self.reads or self.halves):
            return {}
        buffers = [each.clone() for each in self.run.task.buffers()] if self.skips or self.halves else []
        return {"buffers": buffers, "random": random_state(self.device)}

    @torch.no_grad()
    def _restore(self, kept: Mapping[str, Any]) -> None:
        for buffer, before in zip(self.run.task.buffers(), kept["buffers"], strict=False):
            buffer.copy_(before)
        set_random_state(kept["random"], self.device)


def parts(batch: Mapping[str, Any], most: int, least: int) -> Iterator[Mapping[str, Any]]:
    """A collated batch in about equal parts of at most ``most`` images, 0 for the whole.

    Parts hold ``least`` images or more, for which the last one's images are divided among the others.
    """
    images = len(batch["name"])
    count = 1 if most == 0 else -(-images // most)
    if images // count < least:
        count = max(1, images // least)
    borders = [round(images * place / count) for place in range(count + 1)]
    for start, end in pairwise(borders):
        yield batch if count == 1 else without(dict(batch), [*range(start), *range(end, images)])
