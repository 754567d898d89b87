"""VGG-16's ImageNet weights for a fully convolutional network. Nothing heavy is imported before a file is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry import InputError
from registry.engine import HUB_FILES, require_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

#: The classifier's linear layers as torchvision and as timm call them, and the convolutions that they become.
_LINEAR: Final = {"classifier.0": "fc6", "pre_logits.fc1": "fc6", "classifier.3": "fc7", "pre_logits.fc2": "fc7"}
#: The scores of ImageNet's 1,000 classes are of no use here.
_UNUSED: Final = ("classifier.6.", "head.fc.")
#: What starts anew.
_OWN: Final = ("score.", "upsample.", "norm6.", "norm7.")
#: A message names this many layers.
_MOST_NAMED: Final = 4


def look_for_weights(arguments: Mapping[str, Any]) -> None:
    """The preflight of ``fcn32s``.

    Raises:
        InputError: the weights asked for are not to be had.
    """
    if arguments.get("weights") is not None:
        _require_file(Path(arguments["weights"]))
    elif arguments.get("pretrained"):
        pretrained_file(arguments["width"], arguments["fc_channels"], arguments["batch_norm"])


def pretrained_file(width: float, fc_channels: int, batch_norm: bool) -> Path:
    """The local file of torchvision's ImageNet weights, from the hub or its cache.

    Raises:
        InputError: it is not to be had, or the network is not VGG's size.
    """
    for name, given, wanted in (("width", width, 1), ("fc_channels", fc_channels, 4096)):
        if given != wanted:
            message = f"there are no pretrained weights of VGG-16 with {name} {given}"
            raise InputError.of("pretrained", message, f"set `{name}: {wanted}` or `pretrained: false`")
    architecture = "vgg16_bn" if batch_norm else "vgg16"
    return require_weights(f"timm/{architecture}.tv_in1k", HUB_FILES, model=f"fcn32s ({architecture})")


def load_vgg(net: nn.Module, path: Path, setting: str) -> None:
    """Load VGG-16's weights, named as in torchvision or in timm, into the layers that VGG has of an FCN-32s.

    The first convolution's weights are adapted to images of other than three channels as timm does it.

    Args:
        net: changed in place.
        path: a .safetensors or .pth file.
        setting: the setting that asks for them.

    Raises:
        InputError: the file is not there, cannot be read, or holds other layers, which are named.
    """
    _require_file(path)
    # timm reads both formats, and takes a state dict out of what training scripts wrap it in.
    from timm.models import adapt_input_conv, load_state_dict

    try:
        found = _named_as_here(load_state_dict(str(path), weights_only=True))
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise InputError.of(setting, f"{path} cannot be read as weights ({reason})") from error
    own = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith(_OWN)}
    first = "features.0.weight"
    if first in found and found[first].dim() == 4 and found[first].shape[1] == 3:
        found[first] = adapt_input_conv(own[first].shape[1], found[first])
    faults = {
        # torch did not always count a batch normalisation's batches, and nothing here needs the number
        "missing": [name for name in own if name not in found and not name.endswith("num_batches_tracked")],
        "left over": [name for name in found if name not in own],
        "of another shape": [name for name in own if name in found and found[name].shape != own[name].shape],
    }
    if any(faults.values()):
        differences = "; ".join(f"{fault}: {_some(names)}" for fault, names in faults.items() if names)
        hint = "give a VGG-16 of torchvision or timm; batch_norm, width and fc_channels must be those of the file"
        raise InputError.of(setting, f"{path} has other layers than this network: {differences}", hint)
    net.load_state_dict(found, strict=False)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise InputError.of("weights", f"{path} does not exist", "give the path of a .safetensors or .pth file")


def _named_as_here(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for key, tensor in state.items():
        if key.startswith(_UNUSED):
            continue
        layer, _, leaf = key.rpartition(".")
        ours = _LINEAR.get(layer, layer)
        if layer in _LINEAR and tensor.dim() == 2:
            # A linear layer over a flattened 7x7 map, or over a vector, is a convolution with a kernel of that size.
            side = 7 if ours == "fc6" else 1
            tensor = tensor.reshape(len(tensor), -1, side, side)
        named[f"{ours}.{leaf}"] = tensor
    return named


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
