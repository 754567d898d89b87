"""torchmetrics built for a run: logits and labels go in, one number comes out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor

from registry import InputError


def make(name: str, module: str, ignores: bool, arguments: Mapping[str, Any]) -> Any:
    """The metric of that class name.

    Args:
        name: class name in torchmetrics.
        module: where it is defined.
        ignores: whether it can leave out a label.
        arguments: of its constructor; an ``ignore_index`` is dropped where it cannot.

    Raises:
        InputError: it cannot leave out the label that the data ignore, or torchmetrics refuses the arguments.
    """
    given = dict(arguments)
    if not ignores and given.pop("ignore_index", None) is not None:
        message = f"cannot leave out ignored pixels, which these data have (ignore_index {arguments['ignore_index']})"
        raise InputError.of(f"torchmetrics/{name}", message, "use miou, or torchmetrics/MulticlassJaccardIndex")
    metric = getattr(import_module(module), name)
    if ".segmentation." in module:
        given["input_format"] = "index"
        metric = _of_logits(metric)
    try:
        return metric(**given)
    except (ValueError, TypeError) as error:
        message = " ".join(str(error).split())
        raise InputError.of(f"torchmetrics/{name}", message, f"see 'hw1cli describe torchmetrics/{name}'") from error


def _of_logits(metric: Any) -> Any:
    """The class with an ``update`` that takes logits (B, classes, H, W) and labels (B, H, W)."""

    def update(self: Any, logits: Tensor, target: Tensor) -> None:
        if target.dim() != 3:
            message = f"torchmetrics/{metric.__name__} measures masks, but these targets are labels of images"
            raise InputError.of("metrics", message, "use torchmetrics/Multiclass...")
        metric.update(self, logits.max(1).indices, target)

    return type(metric.__name__, (metric,), {"update": update})
