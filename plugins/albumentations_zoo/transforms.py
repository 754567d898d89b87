"""albumentations transforms built strictly: a wrong argument is an error, never a warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry import InputError

# Set before the import, which would otherwise ask the package index for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations

from .turns import D4, RandomRotate90, Transpose

#: What stands for albumentations' own class of that name.
_OWN: Final = {turn.__name__: turn for turn in (D4, RandomRotate90, Transpose)}


def make(name: str, arguments: Mapping[str, Any]) -> Any:
    """The transform of that class name.

    Args:
        name: class name in albumentations.
        arguments: of its constructor; ``ignore_index`` stands for a missing ``fill_mask``.

    Raises:
        InputError: albumentations refuses the arguments.
    """
    given = dict(arguments)
    ignored = given.pop("ignore_index", None)
    # The library's own default, 0, would teach the first class where there is no image at all.
    if ignored is not None and given.get("fill_mask", 0) == 0:
        given["fill_mask"] = ignored
    try:
        with warnings.catch_warnings():
            # Not every transform knows strict=True, and without it a wrong argument is no more than a warning.
            warnings.filterwarnings("error", message=".*not valid for transform.*")
            return (_OWN.get(name) or getattr(albumentations, name))(**given)
    except (ValueError, TypeError, UserWarning) as error:
        field, message = _validation_message(error)
        path = field if field in given else f"albumentations/{name}"
        raise InputError.of(path, message, f"see 'hw1cli describe albumentations/{name}'") from error


def make_one_of(transforms: Sequence[Any], p: float, weights: Sequence[float] | None) -> Any:
    """An albumentations ``OneOf``; its members' ``p`` are their weights."""
    if weights is not None and len(weights) != len(transforms):
        raise InputError.of("augment (one_of)", f"{len(transforms)} transforms and {len(weights)} weights")
    for transform, weight in zip(transforms, weights or [1.0] * len(transforms), strict=True):
        transform.p = weight
    return albumentations.OneOf(transforms, p=p)


def _validation_message(error: Exception) -> tuple[str, str]:
    """The argument concerned, where pydantic names one, and what is wrong with it, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if "errors.pydantic.dev" not in line]
    if len(lines) >= 3 and "validation error" in lines[0]:
        return lines[1], lines[2].partition(" [type=")[0]
    return "", " ".join(lines)
