"""Specs of the albumentations transforms, read from the library's source text: nothing of it is imported."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Annotated, Any

from registry import (
    Augmentation,
    ComponentSpec,
    Parameter,
    Positive,
    Probability,
    SuppliedByRun,
    Zoo,
    files,
    introspect,
)

#: Every transform descends from it; it and the other bases are not for recipes.
_ROOT = "BasicTransform"


@lru_cache(maxsize=1)
def _classes() -> dict[str, introspect.ClassText]:
    def read() -> dict[str, introspect.ClassText]:
        package = introspect.locate("albumentations")
        if package is None:
            raise ModuleNotFoundError("albumentations is not installed")
        core = introspect.classes_below(package.parent / "core", "albumentations.core")
        return core | introspect.classes_below(package.parent / "augmentations", "albumentations.augmentations")

    return files.for_version("albumentations-signatures", "albumentations", read)  # type: ignore[no-any-return]


def _names() -> list[str]:
    classes = _classes()
    return [
        name
        for name, text in classes.items()
        if text["module"].startswith("albumentations.augmentations")
        and not name.startswith(("Base", "_"))
        and introspect.descends_from(name, [_ROOT], classes)
    ]


#: Whatever a geometric transform has to fill in is nothing to be learned, so masks get the ignored label there.
_IGNORED = Parameter(
    "ignore_index",
    Annotated[int | None, SuppliedByRun()],
    None,
    "label that fills masks where no image is, unless fill_mask is given",
)


def _window(name: str) -> ComponentSpec:
    classes = _classes()
    parameters = tuple(
        replace(p, type=Probability, doc=p.doc or "probability that it is applied") if p.name == "p" else p
        for p in introspect.parameters_of(name, classes)
    )
    if any(parameter.name == "fill_mask" for parameter in parameters):
        parameters = (*parameters, _IGNORED)
    return ComponentSpec(partial(_make, name), parameters, classes[name]["doc"])


def _make(name: str, **arguments: Any) -> Any:
    from .transforms import make

    return make(name, arguments)


transforms = Zoo(_names, _window, summary="Every albumentations transform, by its class name", example="HorizontalFlip")


def one_of(*, transforms: list[Augmentation], p: Probability = 0.5, weights: list[Positive] | None = None) -> Any:
    """One of several augmentations, drawn for each image.

    Args:
        transforms: the augmentations to draw from.
        p: probability that any is applied.
        weights: how often each is drawn, beside the others; alike when null.
    """
    from .transforms import make_one_of

    return make_one_of(transforms, p, weights)
