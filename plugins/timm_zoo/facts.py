"""What ``describe`` tells of a timm model: size, images, weights and their licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from registry import InputError, files

from .accuracies import accuracies_of
from .names import tags_by_architecture, weights_of
from .tables import Weights, has_weights

Kind = Literal["backbones", "models"]


def facts(kind: Kind, name: str) -> Mapping[str, str]:
    """Label -> text, of the weights that ``pretrained: true`` takes.

    Only the size needs timm, and only the first time for each version of it. What timm does not know is left out.

    Args:
        kind: as what the model is to be used.
        name: architecture, or ``architecture.tag``.
    """
    full, weights = weights_of(name)
    return {**_size(kind, name, weights), **_images(weights), **_weights(full, weights)}


def _size(kind: Kind, name: str, weights: Weights) -> dict[str, str]:
    classes = weights.get("num_classes") or 1000

    def measured() -> dict[str, Any]:
        from .sizes import measure

        try:
            return measure(kind, name, classes)
        except InputError as error:
            return {"unsuitable": error.problems[0].message}

    try:
        size: dict[str, Any] = files.for_version(f"timm-size-{kind}-{name}", "timm", measured)
    except ImportError as error:  # what the tables tell needs no more than timm's text
        return {"parameters": f"unknown: timm cannot be imported ({error})"}
    if "unsuitable" in size:
        return {"parameters" if kind == "models" else "maps": f"none: {size['unsuitable']}"}
    number = f"{size['parameters'] / 1e6:.2f} M"
    if kind == "models":
        return {"parameters": f"{number}, with a last layer of {classes} classes"}
    maps = f"strides {_row(size['strides'])}; channels {_row(size['channels'])}"
    return {"parameters": number, "maps": maps}


def _images(weights: Weights) -> dict[str, str]:
    """The images that the weights were trained on, as far as timm's table tells."""
    rows: dict[str, str] = {}
    seen, tested = weights.get("input_size"), weights.get("test_input_size")
    if seen:
        channels, *sides = seen
        rows["input"] = f"{channels} channels, {_sides(sides)}" + (
            f"; evaluated at {_sides(tested[1:])}" if tested else ""
        )
    mean, std = weights.get("mean"), weights.get("std")
    if mean and std:
        rows["normalization"] = f"mean {_row(mean)}; std {_row(std)}; of images in 0..1"
    crop, test_crop = weights.get("crop_pct"), weights.get("test_crop_pct")
    resizing = [weights.get("interpolation", "")]
    if crop:
        evaluated = f" ({test_crop:.4g} in evaluation)" if test_crop and test_crop != crop else ""
        resizing.append(f"central crop {crop:.4g} of the image's side{evaluated}")
    if any(resizing):
        rows["resizing"] = ", ".join(filter(None, resizing))
    return rows


def _weights(full: str, weights: Weights) -> dict[str, str]:
    architecture = full.partition(".")[0]
    tags = [tag for tag in tags_by_architecture().get(architecture, ()) if tag]
    rows = {"weights": ", ".join([f"{tags[0]} (the default)", *tags[1:]])} if tags else {}
    if not has_weights(weights):
        return rows or {"weights": "none: `pretrained` works only with a local file"}
    hub, url = weights.get("hf_hub_id"), weights.get("url", "")
    rows["these weights"] = f"{full}, {f'https://huggingface.co/{hub}' if hub else url}"
    measured = [f"{each.top1:.2f} % at {each.image_size} px" for each in accuracies_of(full)]
    if measured:
        rows["ImageNet top-1"] = f"{', '.join(measured)} (measured by timm's author)"
    if "license" in weights:
        rows["licence of the weights"] = weights["license"]
    return rows


def _sides(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides)) + " pixels"


def _row(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.4g}" if isinstance(number, float) else str(number) for number in numbers)
