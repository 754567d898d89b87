"""The installed plugin: hw1cli's checks of plugins, the network against the paper, and its three recipes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from hw1cli_starnet.network import SIZES, StarNet

from registry.testing import Check, checks

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("check", checks("hw1cli-starnet"), ids=str)
def test_conforms(check: Check) -> None:
    check()


@pytest.mark.parametrize(("size", "millions"), [("s050", 0.54), ("s1", 2.87), ("s2", 3.68), ("s3", 5.75), ("s4", 7.48)])
def test_it_has_the_papers_size(size: str, millions: float) -> None:
    """The paper counts a norm and a linear layer to 1,000 classes, too."""
    network = StarNet(size)
    last = network.channels[-1]
    count = sum(parameter.numel() for parameter in network.parameters()) + 2 * last + 1000 * (last + 1)
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize("size", SIZES)
def test_the_maps_are_as_promised(size: str) -> None:
    network = StarNet(size, in_channels=1).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 1, 64, 96))
    assert [tuple(each.shape) for each in maps] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_its_demo(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["hw1cli", "run", recipe, "--demo", "--out", out, "--set", "trainer.epochs=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (out / "summary.json").is_file()
