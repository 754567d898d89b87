"""A rehearsal of one training step and one evaluation on a copy: does the run work at all?"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...errors import Hw1Error, InputError, PluginError
from ..data.preprocess import Preprocessor
from ..network.contract import backbones_in, check_backbone, checking_backbones
from ..runtime.device import DTYPES
from ..runtime.memory import is_out_of_memory
from .task import Task, learns

#: Images of the first batch that a rehearsal needs.
IMAGES: Final = 4


def rehearse(
    task: Task,
    batch: Mapping[str, Any],
    held_out: Mapping[str, Mapping[str, Any]],
    preprocess: Preprocessor,
    model: str = "the model",
) -> tuple[int, bool]:
    """Run a training step and an evaluation once on a copy, in full precision, and check the maps of every backbone.

    Args:
        task: on the run's device; not changed.
        batch: of training, collated, uint8.
        held_out: a batch of each evaluation split.
        preprocess: for the run's device.
        model: what messages call the task's model.

    Returns:
        Floating-point operations of the step, forward and backward, 0 where nothing learns; and whether every
        parameter that learns took part in it.

    Raises:
        InputError: batch normalisation is left with a single value, or the loss is not finite.
        PluginError: a backbone breaks its contract, or the model or the loss fails.
    """
    trial = copy.deepcopy(task).train()
    returned: list[Any] = []
    network = getattr(trial, "model", None)
    if isinstance(network, nn.Module):
        network.register_forward_hook(lambda _model, _inputs, output: returned.append(output))
    operations, complete = 0, True
    try:
        with checking_backbones(trial):
            if learns(task):
                with FlopCounterMode(display=False) as counter:
                    complete = train_step(trial, preprocess(batch))
                operations = counter.get_total_flops()
            trial.eval()
            trial.begin_evaluation()
            with torch.inference_mode():
                for split, evaluated in held_out.items():
                    trial.evaluate({**preprocess(evaluated), "split": split})
            if held_out:
                trial.scores()
        return operations, complete
    except Hw1Error:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
            hint = "set trainer.batch_size to 2 or more, and give it as many images"
            message = "this model cannot learn from a batch of one image"
            raise InputError.of("trainer.batch_size", message, hint) from error
        for part in backbones_in(trial):
            check_backbone(part, f"backbone {type(part).__name__} ({type(part).__module__})")
        if returned and not isinstance(returned[-1], Tensor):
            message = (
                f"returned {_described(returned[-1])}; expected logits, one tensor (B, classes) or (B, classes, H, W)"
            )
            raise PluginError(model, message, "return the tensor of logits alone from forward") from error
        reason = f"fails on the first batch: {type(error).__name__}: {error}"
        raise PluginError(f"{model} or the loss", reason, "--debug shows where") from error


def train_step(task: Task, batch: Mapping[str, Any], precision: str = "fp32") -> bool:
    """Forward and backward of a batch; random generators and gradients are afterwards as before.

    Returns:
        Whether every parameter that learns got a gradient.

    Raises:
        InputError: the loss is not finite.
    """
    device = next(task.parameters()).device
    reduced = nullcontext() if precision == "fp32" else torch.autocast(device.type, DTYPES[precision])
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        with reduced:
            loss = task(batch)["loss"]
        loss.float().backward()
        value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError.of("loss", f"is {value} on the first batch", "check the loss's arguments and the labels")
    complete = all(each.grad is not None for each in task.parameters() if each.requires_grad)
    task.zero_grad(set_to_none=True)
    return complete


def _described(value: Any) -> str:
    """A value for a message: its type, and what a dict or a list holds."""
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {', '.join(map(repr, value))}"
    return f"a {type(value).__name__}" + (f" of {len(value)} items" if isinstance(value, (list, tuple)) else "")
