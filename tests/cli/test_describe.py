"""``describe``: the lines that it proposes for a recipe pass the checks."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from registry.catalog.components import Component
from registry.catalog.kinds import KINDS
from registry.catalog.registry import Registry
from registry.cli.commands.describe import describe_components
from registry.recipe.dump import dump
from registry.recipe.request import Request, every_problem
from registry.recipe.yaml import parse

#: What completes a recipe around the lines of a component.
AROUND = {"trainer": "classification", "data": {"use": "image_folders", "root": "."}, "model": "resnet18"}


def offered() -> list[Component]:
    """Every component, and of every zoo its example."""
    registry = Registry()
    return [each.named(each.example) if each.is_zoo else each for each in registry.components()]


@pytest.mark.parametrize("component", offered(), ids=lambda each: f"{each.kind}/{each.name}")
def test_example_lines_pass_check(component: Component, tmp_path: Path) -> None:
    (described,) = [each for each in describe_components(component.name) if each["kind"] == component.kind]
    node, problems = parse(described["example"], None)
    assert node is not None and not problems
    lines = node.plain()
    assert lines and component.name in described["example"]
    if component.kind == "trainers":
        around = {"data": AROUND["data"]}
    elif component.kind == "backbones":
        around = {**AROUND, "trainer": "byol"}
        del around["model"]
    else:
        around = AROUND
    (tmp_path / "recipe.yaml").write_text(dump({**around, **lines}))
    left = every_problem(Request(tmp_path / "recipe.yaml"), Registry())
    # Trackers name the package that they need; an environment without it has exactly this problem.
    needed = re.fullmatch(r"needs the package (\w+), which is not installed", left[0].message) if left else None
    assert not left or (len(left) == 1 and needed is not None and find_spec(needed[1]) is None)


def test_every_kind_is_described() -> None:
    assert {component.kind for component in offered()} == set(KINDS)


def test_a_trainer_lists_the_arguments_of_the_loop_and_the_sections_beside_it() -> None:
    (trainer,) = describe_components("classification")
    groups = {each["name"]: each["group"] for each in trainer["parameters"]}
    assert {"epochs", "patience", "ema", "batch_size"} <= {name for name in groups if "every trainer" in groups[name]}
    assert groups["mixup"] == "arguments" and groups["model"] == groups["loss"] == "sections beside trainer"
    assert trainer["example"].splitlines()[0] == "trainer: {use: classification}"


@pytest.mark.parametrize(
    ("trainer", "sections"),
    [
        ("classification", {"model": {"use": "classifier", "backbone": "resnet18"}}),
        ("segmentation", {"model": {"use": "smp/unet", "backbone": "resnet18"}, "loss": "smp/dice"}),
    ],
)
def test_the_example_of_a_trainer_has_a_model_for_its_task(trainer: str, sections: dict) -> None:
    (described,) = describe_components(trainer)
    node, _ = parse(described["example"], None)
    assert node is not None and node.plain() == {"trainer": {"use": trainer}, **sections}
