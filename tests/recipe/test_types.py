"""A recipe's value and a parameter's type."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from registry import Backbone
from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.plan import ComponentPlan
from registry.recipe.planner import plan_value
from registry.recipe.types import type_of
from registry.recipe.yaml import as_node


def planned(value: Any, annotation: Any) -> Any:
    return plan_value(as_node(value), type_of(annotation), "key", Registry())


def test_literal_takes_precedence_over_a_component_name() -> None:
    for annotation in (Backbone | Literal["none"], Literal["none"] | Backbone):
        assert planned("none", annotation) == "none"
        backbone = planned("resnet18", annotation)
        assert isinstance(backbone, ComponentPlan) and backbone.name == "resnet18"
        with pytest.raises(InputError, match="a backbone named 'resnet81'"):
            planned("resnet81", annotation)


def test_integer_beyond_64_bits_is_refused() -> None:
    for annotation in (int, float, int | None, Any):
        with pytest.raises(InputError, match="64 bits"):
            planned(10**400, annotation)
