"""A recipe's value and a parameter's type."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from registry import Backbone
from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.interval import Interval
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


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("15min", (900, None, None)),
        ("1.5 h", (5400, None, None)),
        ("500 steps", (None, 500, None)),
        ("1 epoch", (None, None, 1)),
        (" 2epochs ", (None, None, 2)),
    ],
)
def test_interval_is_a_time_or_steps_or_epochs(written: str, parts: tuple[float | None, ...]) -> None:
    interval = planned(written, Interval)
    assert (interval.seconds, interval.steps, interval.epochs) == parts


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        (10, "write 10min, 10 steps or 10 epochs"),
        ("500", "write 500min, 500 steps or 500 epochs"),
        ("15 mins", "did you mean '15 min'?"),
        ("5 epohcs", "did you mean '5 epochs'?"),
        ("3 fortnights", "units: s, min, h, steps, epochs"),
        ("1.5 epochs", "write a whole number of epochs above 0"),
        ("0 steps", "write a whole number of steps above 0"),
        ("0min", "write a time above 0"),
    ],
)
def test_an_interval_that_is_wrong_is_answered_with_what_to_write(written: Any, hint: str) -> None:
    with pytest.raises(InputError, match="expected a time, steps or epochs, such as 15min") as caught:
        planned(written, Interval)
    assert caught.value.problems[0].hint == hint
