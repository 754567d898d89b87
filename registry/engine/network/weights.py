"""Weights handed from one run to another: ``backbone.safetensors``, and files under other names' conventions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...errors import Hw1Error, InputError
from ...files import atomic_write
from ..records import checkpoints

if TYPE_CHECKING:
    from ..train.run import Run

#: What a pre-training run leaves, beside the card ``backbone.json``.
BACKBONE = "backbone.safetensors"
#: Keys below which other programs keep the weights inside a checkpoint.
_ENVELOPES = ("state_dict", "model", "task", "model_state_dict", "teacher", "net")


def adopt(module: nn.Module, source: Path, name: str, *, head: bool = False) -> None:
    """Load weights into a network and say what was loaded; a warning tells what else there was.

    Names may differ by what stands before them (``model.backbone.``, ``module.``, ``net.``), so that a backbone finds
    itself inside a whole classifier, and torchvision's files fit timm's networks of the same names.

    Args:
        module: changed in place.
        source: a run folder, or a file: .safetensors, .pt, .pth.
        name: what messages call the network.
        head: whether the network ends in a layer for its own classes. Where the source has no such layer, or one of
            another shape, it starts from random weights, with a warning.

    Raises:
        InputError: the source is not there or unreadable, or does not hold every other tensor of the network in its
            shape.
    """
    given = read_state(source)
    target = module.state_dict()
    found = _matched(target, given)
    lacking = [key for key in target if key not in found and not key.endswith("num_batches_tracked")]
    if lacking and not (head and found and set(lacking) <= _last_layer(module)):
        raise _misfit(name, source, target, found, lacking, given)
    module.load_state_dict({key: given[origin] for key, origin in found.items()}, strict=False)
    left = [key for key in given if key not in found.values()]
    told = f"{name}: {len(found)} of {len(target)} tensors from {source}"
    if lacking:
        told += f"; the last layer ({', '.join(lacking)}) starts from random weights"
    if left:
        told += f"; not needed: {len(left)} ({', '.join(left[:3])}{', ...' * (len(left) > 3)})"
    warnings.warn(told, UserWarning, stacklevel=2)


def read_state(source: Path) -> dict[str, Tensor]:
    """The tensors of a run folder or a file, by name.

    Raises:
        InputError: it is not there, or holds no weights.
    """
    if source.is_dir():
        inside = [source / BACKBONE, source / "checkpoints" / "best.pt", source / "checkpoints" / "last.pt"]
        file = next((path for path in inside if path.is_file()), None)
        if file is None:
            message = f"{source} holds neither {BACKBONE} nor a checkpoint"
            raise InputError.of("weights", message, "name a run folder whose run has ended, or a file of weights")
        source = file
    if not source.is_file():
        raise InputError.of("weights", f"there is no file or run folder {source}", "name a .safetensors or .pth file")
    try:
        if source.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(source)
        if source.name in ("best.pt", "last.pt") and source.parent.name == "checkpoints":
            return dict(_tensors(checkpoints.load(source)["task"]))
        state: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Hw1Error:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError.of("weights", f"{source} cannot be read as weights ({reason})") from error
    while isinstance(state, Mapping) and (key := next((k for k in _ENVELOPES if _is_envelope(state, k)), None)):
        state = state[key]
    tensors = dict(_tensors(state)) if isinstance(state, Mapping) else {}
    if not tensors:
        raise InputError.of("weights", f"{source} holds no tensors by name", "a state dict is wanted")
    return tensors


def _is_envelope(state: Mapping[str, Any], key: str) -> bool:
    return isinstance(state.get(key), Mapping)


def _tensors(state: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    return ((key, value) for key, value in state.items() if isinstance(value, Tensor))


def _matched(target: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, str]:
    """Name in the network -> name in the source, equal but for what stands before them, and of the same shape."""
    best: dict[str, str] = {}
    for ours, theirs in _prefixes(target, given):
        found = {}
        for key, tensor in target.items():
            origin = theirs + key.removeprefix(ours)
            if key.startswith(ours) and origin in given and given[origin].shape == tensor.shape:
                found[key] = origin
        best = max(best, found, key=len)
    return best


def _prefixes(target: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> set[tuple[str, str]]:
    """What may stand before the names on either side, seen at one weight of the network."""
    probe = next((key for key, tensor in target.items() if tensor.dim() > 1), next(iter(target), ""))
    parts = probe.split(".")
    found = set()
    for cut in range(min(len(parts), 4)):
        tail = ".".join(parts[cut:])
        for origin in given:
            if origin == tail or origin.endswith(f".{tail}"):
                found.add((probe.removesuffix(tail), origin.removesuffix(tail)))
    return found


def _last_layer(module: nn.Module) -> set[str]:
    """Names of the tensors of the last layer, where that is a linear one."""
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    if not layers or not isinstance(layers[-1][1], nn.Linear):
        return set()
    return {f"{layers[-1][0]}.{tensor}" for tensor in layers[-1][1].state_dict()}


def _misfit(
    name: str,
    source: Path,
    target: Mapping[str, Tensor],
    found: Mapping[str, str],
    lacking: list[str],
    given: Mapping[str, Tensor],
) -> InputError:
    shown = ", ".join(f"{key} {tuple(target[key].shape)}" for key in lacking[:4]) + ", ..." * (len(lacking) > 4)
    message = f"{source} does not fit {name}: {len(lacking)} of {len(target)} tensors are missing or of another shape"
    some = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in list(given.items())[:3])
    return InputError.of("weights", f"{message} ({shown})", f"{len(found)} fit; the source holds {some}, ...")


def backbone_of(module: nn.Module) -> nn.Module | None:
    """The first part that keeps the contract of backbones."""
    return next((part for part in module.modules() if hasattr(part, "channels") and hasattr(part, "strides")), None)


def export_backbone(run: Run) -> Path | None:
    """Write the backbone of a run with its card, ``backbone.json``; None where the model has no backbone."""
    from safetensors.torch import save

    backbone = backbone_of(run.task.model)
    if backbone is None:
        return None
    target = run.folder.path / BACKBONE
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in backbone.state_dict().items()}
    with atomic_write(target, "wb") as file:
        file.write(save(tensors, {"format": "pt", "recipe": run.plan.recipe.name}))
    plan = run.plan.as_json()
    card = {
        "recipe": run.plan.recipe.name,
        "demo": run.plan.demo,
        "epochs": len(run.trackers.rows),
        "images": len(run.train),
        "tensors": len(tensors),
        "channels": list(getattr(backbone, "channels", ())),
        "strides": list(getattr(backbone, "strides", ())),
        "scores": run.trackers.rows[-1] if run.trackers.rows else {},
        "notes": run.task.card(),
        "trainer": plan["trainer"],
        "data": plan["data"],
        "seed": run.plan.seed,
    }
    run.folder.write_json("backbone.json", json.loads(json.dumps(card, default=str)))
    return target
