"""A rehearsal of one training step on a copy: does it work at all, and is bf16 with channels_last faster here?"""

from __future__ import annotations

import copy
import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ... import files
from ...errors import Hw1Error, InputError, PluginError
from ..data.loader import to_device
from ..network.contract import backbones_in, check_backbone, checking_backbones
from .runtime import LAYOUTS
from .task import Task, learns

#: What is tried: precision and memory format.
FULL: Final = ("fp32", "contiguous")
REDUCED: Final = ("bf16", "channels_last")
#: Reduced precision has to be this much faster to be chosen.
WORTH: Final = 1.25
#: Floating-point operations of a rehearsed step below which nothing is measured: such a step is all overhead, its
#: timing is noise, and the choice would be another one each time.
_SMALL: Final = 4e9
#: Images of the first batch that a rehearsal needs.
IMAGES: Final = 4
#: Seconds after which no further repetition starts.
_BUDGET: Final = 20.0
#: Short steps are repeated more often, since a busy machine blurs them most: at least, at most, and seconds that do.
_LEAST, _MOST, _ENOUGH = 3, 16, 3.0


def rehearse(
    task: Task,
    batch: Mapping[str, Any],
    held_out: Mapping[str, Mapping[str, Any]],
    device: torch.device,
    mean: Tensor,
    std: Tensor,
) -> None:
    """Run a training step and an evaluation once on a copy, in full precision.

    Args:
        task: left as it is.
        batch: of training, collated, uint8.
        held_out: a batch of each evaluation split.
        mean, std: see ``loading.to_device``.

    Raises:
        InputError: batch normalisation is left with a single value, or the loss is not finite.
        PluginError: the model or the loss fails.
    """
    trial = _Trial(task, batch, device, mean, std, FULL)
    try:
        with checking_backbones(trial.task):
            if learns(task):
                trial.step()
            trial.evaluate(held_out, mean, std)
    except Hw1Error:
        raise
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise PluginError(
                "the model or the loss", f"fails on the first batch: {error}", "--debug shows where"
            ) from error
        hint = "set trainer.batch_size to 2 or more, and give it as many images"
        raise InputError.of("trainer.batch_size", "this model cannot learn from a batch of one image", hint) from error
    except Exception as error:
        for part in backbones_in(task):
            check_backbone(part, f"backbone {type(part).__name__} ({type(part).__module__})")
        reason = f"fails on the first batch: {type(error).__name__}: {error}"
        raise PluginError("the model or the loss", reason, "--debug shows where") from error


def choose(
    task: Task, batch: Mapping[str, Any], device: torch.device, mean: Tensor, std: Tensor, key: str
) -> tuple[str, str, str]:
    """Precision, memory format and the reason, measured once for each model, size and machine.

    The choice is remembered, so that a second run with the same seed computes the same thing.

    Args:
        key: what identifies the model.
    """
    if not learns(task):
        return *FULL, "nothing learns"
    operations = _operations(task, batch, device, mean, std)
    if operations < _SMALL:
        return *FULL, f"a step of {operations / 1e9:.1f} GFLOP is too small to gain from less"
    images = batch["views"] if "views" in batch else [batch["image"]]
    shape = [tuple(each.shape[1:]) for each in images]
    identity = json.dumps([key, shape, torch.__version__, torch.get_num_threads(), _machine(device)], default=str)
    name = f"precision-{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    known = files.recall(name)
    gain = known if isinstance(known, float) else _gain(task, batch, device, mean, std)
    if gain is not known and not files.remember(name, gain):
        message = "the measured precision could not be stored, so another run may choose otherwise"
        warnings.warn(f"{message}; set runtime.precision to compare runs", stacklevel=2)
    precision, layout = REDUCED if gain >= WORTH else FULL
    how = "measured before" if gain is known else "measured"
    return precision, layout, f"bf16 with channels_last is {gain:.2f}x fp32, {how}"


def _operations(task: Task, batch: Mapping[str, Any], device: torch.device, mean: Tensor, std: Tensor) -> int:
    """Floating-point operations of a step, forward and backward."""
    trial = _Trial(task, batch, device, mean, std, FULL)
    with FlopCounterMode(display=False) as counter:
        trial.step()
    return int(counter.get_total_flops())


def _gain(task: Task, batch: Mapping[str, Any], device: torch.device, mean: Tensor, std: Tensor) -> float:
    """Seconds of a full step over seconds of a reduced one, best of several in alternation."""
    start = time.perf_counter()
    trials = {setting: _Trial(task, batch, device, mean, std, setting) for setting in (FULL, REDUCED)}
    best: dict[tuple[str, str], float] = {}
    for repetition in range(_MOST):
        for setting, trial in trials.items():
            try:
                seconds = trial.step()
            except Exception:  # an operator without a bf16 kernel: full precision it is
                return 0.0
            if repetition:  # the first warms up
                best[setting] = min(seconds, best.get(setting, seconds))
        elapsed = time.perf_counter() - start
        if elapsed > (_ENOUGH if repetition >= _LEAST else _BUDGET) and repetition:
            break
    return round(best[FULL] / best[REDUCED], 3)


class _Trial:
    """A copy of the task in one setting."""

    def __init__(
        self,
        task: Task,
        batch: Mapping[str, Any],
        device: torch.device,
        mean: Tensor,
        std: Tensor,
        setting: tuple[str, str],
    ) -> None:
        precision, layout = setting
        self.layout = LAYOUTS[layout]
        self.task = copy.deepcopy(task).to(device).to(memory_format=self.layout).train()
        self.batch = to_device(batch, device, mean, std, self.layout)
        self.device = device
        self.reduced = precision == "bf16"

    def evaluate(self, held_out: Mapping[str, Mapping[str, Any]], mean: Tensor, std: Tensor) -> None:
        self.task.eval()
        self.task.begin_evaluation()
        with torch.inference_mode():
            for split, batch in held_out.items():
                self.task.evaluate({**to_device(batch, self.device, mean, std, self.layout), "split": split})
        if held_out:
            self.task.scores()

    def step(self) -> float:
        start = time.perf_counter()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
                loss = self.task(self.batch)["loss"]
            loss.float().backward()
            told = float(loss.detach())
        if told != told or told in (float("inf"), float("-inf")):
            raise InputError.of("loss", f"is {told} on the first batch", "look at the loss's arguments and the labels")
        self.task.zero_grad(set_to_none=True)
        return time.perf_counter() - start


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    import platform

    return f"{platform.node()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
