"""A recipe's value and a parameter's type."""

from __future__ import annotations

from typing import Any, Literal

from registry import Backbone
from registry.errors import Problem
from registry.recipe.convert import INVALID, convert
from registry.recipe.types import type_of
from registry.recipe.yaml import as_node


def converted(value: Any, annotation: Any) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []

    def nested(node: Any, kind: str, path: str, problems: list[Problem]) -> Any:
        if node.value == "resnet18":
            return f"the {kind} {node.value}"
        problems.append(Problem(path, "no such backbone"))
        return INVALID

    return convert(as_node(value), type_of(annotation), "key", nested, problems), problems


def test_a_word_beside_a_component_is_taken_before_a_component_is_looked_up() -> None:
    for annotation in (Backbone | Literal["none"], Literal["none"] | Backbone):
        assert converted("none", annotation) == ("none", [])
        assert converted("resnet18", annotation) == ("the backbones resnet18", [])
        value, problems = converted("resnet81", annotation)
        assert value is INVALID and [problem.message for problem in problems] == ["no such backbone"]


def test_a_number_beyond_64_bits_is_refused() -> None:
    for annotation in (int, float, int | None, Any):
        value, problems = converted(10**400, annotation)
        assert value is INVALID and "64 bits" in problems[0].message
