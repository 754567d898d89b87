"""The recipes that come with the repository: what their header states, and the schedules that they reproduce."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from plugins.torch_basics.specs import cosine

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_header_states_command_hardware_time_and_score(path: Path) -> None:
    header = re.match(r"(?:#.*\n)+", path.read_text())
    assert header is not None
    assert re.search(rf"hw1cli (run|sweep) recipes/{path.name}", header[0])
    for word in ("Hardware:", "Time:", "Score:"):
        assert word in header[0], f"the header of {path.name} has no line {word}"


def learning_rate_factors(recipe: dict[str, Any]) -> list[float]:
    """The factor of the learning rate at the end of each epoch, with 10 steps an epoch."""
    assert recipe["schedule"].pop("use") == "cosine"
    schedule = cosine(total_steps=10 * recipe["trainer"]["epochs"], **recipe["schedule"])
    return [schedule(10 * epoch - 1) for epoch in range(1, recipe["trainer"]["epochs"] + 1)]


def test_byol_warms_up_for_50_of_800_epochs() -> None:
    recipe = yaml.safe_load((ROOT / "recipes" / "ssl_byol_resnet50.yaml").read_text())
    factors = learning_rate_factors(recipe)
    assert len(factors) == 800
    assert factors.index(max(factors)) + 1 in (50, 51) and max(factors) > 0.99
    assert factors[24] == pytest.approx(0.5, abs=0.01) and factors[424] == pytest.approx(0.5, abs=0.01)
    assert factors[-1] < 1e-5
