"""Starting weights: loaded from another run or a file of another program, and exported for other runs."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import Hw1Error, InputError
from ...files import atomic_write
from ...recipe.plan import StartingWeights
from ..records import checkpoints
from ..records.run_folder import RunFolder
from ..runtime.sharding import full_state
from .contract import backbones_in

#: What a pre-training run leaves, beside the card ``backbone.json``.
BACKBONE = "backbone.safetensors"
#: Keys below which other programs keep the weights inside a checkpoint.
_ENVELOPES = ("state_dict", "model", "task", "model_state_dict", "teacher", "net")


def load_weights(module: nn.Module, start: StartingWeights, name: str, *, head: bool = False) -> None:
    """Load weights into a network; a warning reports what was loaded, and what the source holds besides.

    Names may differ by their prefix (``model.backbone.``, ``module.``, ``net.``), so that a backbone is found inside a
    whole classifier, and torchvision's files fit timm's networks of the same names. A first layer for RGB is adapted to
    the bands of the network's images: its channels are repeated and scaled, or summed for one band.

    Args:
        module: changed in place.
        start: its source is a run folder, or a file: .safetensors, .pt, .pth.
        name: what messages call the network.
        head: whether the network ends in a layer for its own classes. Where the source has no such layer, or one of
            another shape, it starts from random weights, with a warning.

    Raises:
        InputError: the source is missing or unreadable, or does not hold every other tensor of the network in its
            shape.
    """
    source = start.source
    assert source is not None, "random and pretrained weights are the factory's"
    given = read_state(source)
    target = module.state_dict()
    found = _matched(target, given)
    missing = [key for key in target if key not in found and not key.endswith("num_batches_tracked")]
    if missing and not (head and found and set(missing) <= _last_layer(module)):
        raise _misfit(name, source, target, found, missing, given)
    tensors = {key: given[origin] for key, origin in found.items()}
    adapted = [key for key, tensor in tensors.items() if tensor.shape != target[key].shape]
    for key in adapted:
        from timm.models import adapt_input_conv

        tensors[key] = adapt_input_conv(target[key].shape[1], tensors[key])
    module.load_state_dict(tensors, strict=False)
    left = [key for key in given if key not in found.values()]
    report = f"{name}: loaded {len(found)} of {len(target)} tensors from {source}"
    if adapted:
        report += f"; {adapted[0]} was adapted from RGB to {target[adapted[0]].shape[1]} bands"
    if missing:
        report += f"; the last layer ({', '.join(missing)}) starts from random weights"
    if left:
        report += f"; not needed: {len(left)} ({', '.join(left[:3])}{', ...' * (len(left) > 3)})"
    warnings.warn(report, UserWarning, stacklevel=2)


def read_state(source: Path) -> dict[str, Tensor]:
    """The tensors of a run folder or a file, by name.

    Raises:
        InputError: it is missing, or holds no weights.
    """
    if source.is_dir():
        folder = source / "checkpoints"
        inside = [source / BACKBONE, folder / checkpoints.BEST, folder / checkpoints.LAST]
        file = next((path for path in inside if path.is_file()), None)
        if file == inside[2] and _checkpoint(file).get("position", {}).get("best_epoch"):
            raise InputError.of("weights", f"{inside[1]} is missing", f"name another file: {file}")
        if file is None:
            message = f"{source} holds neither {BACKBONE} nor a checkpoint"
            raise InputError.of(
                "weights", message, "name the folder of a run that has finished an epoch, or a file of weights"
            )
        source = file
    if not source.is_file():
        raise InputError.of(
            "weights", f"there is no file or run folder {source}", "name a run folder, or a .safetensors or .pth file"
        )
    try:
        if source.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(source)
        if source.parent.name == "checkpoints" and source.suffix == ".pt":
            return checkpoints.evaluated_weights(_checkpoint(source))
        # Files of old versions of torch have no checksums.
        old = not zipfile.is_zipfile(source)
        state: Any = torch.load(source, map_location="cpu", weights_only=True) if old else checkpoints.read(source)
    except InputError:
        raise
    except Exception as error:  # torch advises to load it with weights_only=False, which would run a stranger's code
        reason = (
            error.message
            if isinstance(error, Hw1Error)
            else f"{source} cannot be read as weights: it is damaged, or another file"
        )
        hint = "expected .safetensors, or a state dict that torch.save has written: tensors by name"
        raise InputError.of("weights", reason, hint) from error
    while isinstance(state, Mapping) and (key := next((k for k in _ENVELOPES if _is_envelope(state, k)), None)):
        state = state[key]
    tensors = dict(_tensors(state)) if isinstance(state, Mapping) else {}
    if not tensors:
        raise InputError.of(
            "weights", f"{source} holds no tensors by name", "expected a state dict: a mapping of names to tensors"
        )
    return tensors


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        return checkpoints.load(path)
    except checkpoints.BrokenCheckpoint as broken:
        others = [each for each in checkpoints.whole(path.parent) if each != path]
        hint = f"name another file: {others[0]}" if others else broken.hint
        raise InputError.of("weights", broken.message, hint) from broken


def _is_envelope(state: Mapping[str, Any], key: str) -> bool:
    return isinstance(state.get(key), Mapping)


def _tensors(state: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    return ((key, value) for key, value in state.items() if isinstance(value, Tensor))


def _matched(target: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, str]:
    """Name in the network -> name in the source, equal but for their prefix, and of the same shape.

    The first convolution may be one of three channels in the source.
    """
    best: dict[str, str] = {}
    first = next((key for key, tensor in target.items() if tensor.dim() == 4), "")
    for ours, theirs in _prefixes(target, given):
        found = {}
        for key, tensor in target.items():
            origin = theirs + key.removeprefix(ours)
            if not key.startswith(ours) or origin not in given:
                continue
            shape, wanted = list(given[origin].shape), list(tensor.shape)
            of_rgb = key == first and shape == [wanted[0], 3, *wanted[2:]]
            if shape == wanted or of_rgb:
                found[key] = origin
        best = max(best, found, key=len)
    return best


def _prefixes(target: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> set[tuple[str, str]]:
    """Candidate prefixes (of the network, of the source), from every match of one weight of the network."""
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
    missing: list[str],
    given: Mapping[str, Tensor],
) -> InputError:
    shown = ", ".join(f"{key} {tuple(target[key].shape)}" for key in missing[:4]) + ", ..." * (len(missing) > 4)
    message = f"{source} does not fit {name}: {len(missing)} of {len(target)} tensors are missing or of another shape"
    some = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in list(given.items())[:3])
    return InputError.of("weights", f"{message} ({shown})", f"{len(found)} fit; the source holds {some}, ...")


def export_backbone(model: nn.Module, folder: RunFolder, card: Mapping[str, Any]) -> Path | None:
    """Write the backbone of a model into a run folder, with a card of its origin; None where the model has none.

    Args:
        model: of a run, with the weights that are to be exported.
        folder: gets ``backbone.safetensors`` and ``backbone.json``.
        card: ``recipe``, and what else the card says beside ``tensors``, ``channels`` and ``strides``.
    """
    from safetensors.torch import save

    backbone = next(backbones_in(model), None)
    if backbone is None:
        return None
    target = folder.path / BACKBONE
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in full_state(backbone).items()}
    with atomic_write(target, "wb") as file:
        file.write(save(tensors, {"format": "pt", "recipe": str(card["recipe"])}))
    maps = {name: list(getattr(backbone, name)) for name in ("channels", "strides")}
    folder.write_json("backbone.json", {**card, "tensors": len(tensors), **maps})
    return target
