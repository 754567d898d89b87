"""A rehearsal of one training step on a copy: does it work at all, and is bf16 with channels_last faster here?"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ... import files
from ...errors import Hw1Error, InputError, PluginError
from ..data.preprocess import Preprocessor
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
    preprocess: Preprocessor,
    model: str = "the model",
) -> None:
    """Run a training step and an evaluation once on a copy, in full precision, and check the maps of every backbone.

    Args:
        task: not changed.
        batch: of training, collated, uint8.
        held_out: a batch of each evaluation split.
        preprocess: for the run's device; its layout is replaced.
        model: what messages call the task's model.

    Raises:
        InputError: batch normalisation is left with a single value, or the loss is not finite.
        PluginError: a backbone breaks its contract, or the model or the loss fails.
    """
    trial = _Trial(task, batch, preprocess, FULL)
    returned: list[Any] = []
    try:
        with checking_backbones(trial.task), _outputs_recorded(trial.task, returned):
            if learns(task):
                trial.step()
            trial.evaluate(held_out)
    except Hw1Error:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
            hint = "set trainer.batch_size to 2 or more, and give it as many images"
            message = "this model cannot learn from a batch of one image"
            raise InputError.of("trainer.batch_size", message, hint) from error
        for part in backbones_in(trial.task):
            check_backbone(part, f"backbone {type(part).__name__} ({type(part).__module__})")
        if returned and not isinstance(returned[-1], Tensor):
            message = (
                f"returned {_described(returned[-1])}; expected logits, one tensor (B, classes) or (B, classes, H, W)"
            )
            raise PluginError(model, message, "return the tensor of logits alone from forward") from error
        reason = f"fails on the first batch: {type(error).__name__}: {error}"
        raise PluginError(f"{model} or the loss", reason, "--debug shows where") from error


@contextmanager
def _outputs_recorded(task: Task, returned: list[Any]) -> Iterator[None]:
    """What the task's model returns is kept inside, for a message."""
    model = getattr(task, "model", None)
    if not isinstance(model, nn.Module):
        yield
        return
    handle = model.register_forward_hook(lambda _model, _inputs, output: returned.append(output))
    try:
        yield
    finally:
        handle.remove()


def _described(value: Any) -> str:
    """A value for a message: its type, and what a dict or a list holds."""
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {', '.join(map(repr, value))}"
    return f"a {type(value).__name__}" + (f" of {len(value)} items" if isinstance(value, (list, tuple)) else "")


def choose(task: Task, batch: Mapping[str, Any], preprocess: Preprocessor, key: str) -> tuple[str, str, str]:
    """Precision, memory format and the reason, measured once for each model, size and machine.

    The choice is stored, so that a second run with the same seed computes the same thing.

    Args:
        key: what identifies the model.
    """
    if not learns(task):
        return *FULL, "nothing learns"
    operations = _operations(task, batch, preprocess)
    if operations < _SMALL:
        return *FULL, f"lower precision would not help a step this small ({operations / 1e9:.1f} GFLOP)"
    images = batch["views"] if "views" in batch else [batch["image"]]
    shape = [tuple(each.shape[1:]) for each in images]
    machine = _machine(preprocess.device)
    identity = json.dumps([key, shape, torch.__version__, torch.get_num_threads(), machine], default=str)
    name = f"precision-{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    known = files.recall(name)
    gain = known if isinstance(known, float) else _gain(task, batch, preprocess)
    if gain is not known and not files.remember(name, gain):
        message = "the measured precision could not be stored, so another run may choose otherwise"
        warnings.warn(f"{message}; set runtime.precision to compare runs", stacklevel=2)
    precision, layout = REDUCED if gain >= WORTH else FULL
    how = "measured before" if gain is known else "measured"
    return precision, layout, f"bf16 with channels_last is {gain:.2f}x fp32, {how}"


def _operations(task: Task, batch: Mapping[str, Any], preprocess: Preprocessor) -> int:
    """Floating-point operations of a step, forward and backward."""
    trial = _Trial(task, batch, preprocess, FULL)
    with FlopCounterMode(display=False) as counter:
        trial.step()
    return int(counter.get_total_flops())


def _gain(task: Task, batch: Mapping[str, Any], preprocess: Preprocessor) -> float:
    """Seconds of a full step over seconds of a reduced one, best of several in alternation."""
    start = time.perf_counter()
    trials = {setting: _Trial(task, batch, preprocess, setting) for setting in (FULL, REDUCED)}
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
        self, task: Task, batch: Mapping[str, Any], preprocess: Preprocessor, setting: tuple[str, str]
    ) -> None:
        precision, layout = setting
        self.preprocess = replace(preprocess, layout=LAYOUTS[layout])
        self.device = preprocess.device
        self.task = copy.deepcopy(task).to(self.device).to(memory_format=LAYOUTS[layout]).train()
        self.batch = self.preprocess(batch)
        self.reduced = precision == "bf16"

    def evaluate(self, held_out: Mapping[str, Mapping[str, Any]]) -> None:
        self.task.eval()
        self.task.begin_evaluation()
        with torch.inference_mode():
            for split, batch in held_out.items():
                self.task.evaluate({**self.preprocess(batch), "split": split})
        if held_out:
            self.task.scores()

    def step(self) -> float:
        start = time.perf_counter()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
                loss = self.task(self.batch)["loss"]
            loss.float().backward()
            value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError.of("loss", f"is {value} on the first batch", "check the loss's arguments and the labels")
        self.task.zero_grad(set_to_none=True)
        return time.perf_counter() - start


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    import platform

    return f"{platform.node()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
