"""Low-rank adapters put into a network."""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from registry import InputError, Problem, did_you_mean


def adapted(
    network: nn.Module,
    rank: int,
    alpha: int,
    dropout: float,
    targets: Sequence[str],
    *,
    path: str,
    keeps_head: bool = False,
) -> nn.Module:
    """The network, changed in place: adapters learn, everything else is frozen.

    A new adapter adds nothing, so that the network starts as it was.

    Args:
        network: a transformer.
        rank, alpha, dropout: of every adapter.
        targets: last parts of names of linear or convolutional layers.
        path: of the network, for messages.
        keeps_head: whether the last linear layer goes on learning.

    Raises:
        InputError: a target is not a layer of the network, or it has batch norms, whose statistics would move.
    """
    if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
        message = f"{type(network).__name__} has batch norms, whose statistics would move beside the adapters"
        raise InputError.of(path, message, "lora is for transformers; use trainer.freeze for this network")
    layers = [name for name, part in network.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    ends = sorted({name.rpartition(".")[2] for name in layers})
    problems = []
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            hint = did_you_mean(target, ends, f"its layers: {', '.join(ends)}")
            problems.append(Problem("targets", f"{target!r} is not a layer of {type(network).__name__}", hint))
    if problems:
        raise InputError(problems)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    inject_adapter_in_model(config, network)
    if keeps_head:
        last = [part for part in network.modules() if isinstance(part, nn.Linear)][-1]
        last.requires_grad_(True)
    return network
