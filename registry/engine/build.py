"""Plans -> objects: the only place that calls a factory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog.introspect import Unread
from ..catalog.kinds import WITHOUT_START
from ..errors import Hw1Error, InputError, PluginError, raised_at
from ..files import working_directory_kept
from ..recipe.plan import ComponentPlan

# albumentations, whoever imports it, asks the package index for a newer version, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def build(plan: ComponentPlan, facts: Mapping[str, Any]) -> Any:
    """Build a component, its nested components first.

    Args:
        plan: the component and its checked arguments.
        facts: what the run supplies to parameters marked ``FromData``.

    Raises:
        InputError: the factory finds the user's arguments wrong, or needs a fact that the run does not have.
        PluginError: the factory fails otherwise.
    """
    arguments = {
        name: _value(value, facts) for name, value in plan.given_or_default().items() if not isinstance(value, Unread)
    }
    for parameter in plan.spec.parameters:
        if parameter.supplied and parameter.name not in plan.arguments:
            if parameter.name in facts:
                arguments[parameter.name] = facts[parameter.name]
            elif parameter.name not in arguments:
                message = f"{plan.component.source} needs {parameter.name!r}, which the data set does not have"
                raise InputError.of(plan.path, message, f"give it in the recipe: {parameter.name}: ...")
    start = plan.start
    if start.loaded_by_framework:
        arguments |= {name: value for name, value in WITHOUT_START.items() if name in arguments}
    arguments = {name: value for name, value in arguments.items() if name not in plan.spec.reserved}
    try:
        with plan.attach_location(), contextlib.redirect_stdout(sys.stderr), working_directory_kept():
            built = plan.spec(**arguments)
            if start.loaded_by_framework:
                from .network.weights import load_weights

                load_weights(built, start, plan.name, head=plan.component.kind == "models")
            if plan.settings is not None:
                from .data.samples import Guarded

                built = Guarded(built, plan.settings)
            if plan.component.kind == "augmentations":
                _require_transform(built)
            if plan.component.kind == "metrics":
                built.score_name = plan.component.name.rpartition("/")[2]  # what a metric of one number is called
            return built
    except Hw1Error:
        raise
    except (Exception, SystemExit) as error:
        reason = f"its factory failed: {type(error).__name__}: {error} ({raised_at(error)})"
        raise PluginError(plan.component.source, reason, "--debug shows where") from error


def _value(value: Any, facts: Mapping[str, Any]) -> Any:
    if isinstance(value, ComponentPlan):
        return build(value, facts)
    if isinstance(value, list):
        return [_value(item, facts) for item in value]
    return value.absolute() if isinstance(value, Path) else value  # a plugin may change the working directory


def _require_transform(built: Any) -> None:
    import albumentations

    if not isinstance(built, (albumentations.BasicTransform, albumentations.BaseCompose)):
        raise TypeError(f"expected an albumentations transform, got {type(built).__name__}")


def build_transform(plans: list[ComponentPlan], facts: Mapping[str, Any]) -> Any | None:
    """An albumentations ``Compose`` of the augmentations; None when there are none."""
    return compose([build(plan, facts) for plan in plans]) if plans else None


def build_shrinking(plans: list[ComponentPlan], facts: Mapping[str, Any]) -> tuple[Any | None, Any | None]:
    """The same in two parts: a first resizing without randomness, and the rest; None for a part without transforms."""
    import albumentations

    resizing = (albumentations.Resize, albumentations.SmallestMaxSize, albumentations.LongestMaxSize)
    built = [build(plan, facts) for plan in plans]
    fixed = bool(built) and isinstance(built[0], resizing) and built[0].p == 1
    if fixed and isinstance(getattr(built[0], "max_size", None), (list, tuple)):
        fixed = False  # one of several sizes, chosen at random
    first, rest = built[:fixed], built[fixed:]
    return (compose(first) if first else None), (compose(rest) if rest else None)


def compose(transforms: list[Any]) -> Any:
    """An albumentations ``Compose`` of transforms that are built already."""
    import albumentations

    return albumentations.Compose(transforms, strict=True)
