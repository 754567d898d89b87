"""The learning-rate finder: its rule on a curve that is known, and a sweep that leaves nothing but a figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from registry.cli.commands.bench import bench
from registry.engine.find_lr import smoothed, suggested
from registry.errors import InputError


def test_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-7, 10, 200)
    decades = np.log10(rates)
    losses = 2 - 1.5 / (1 + np.exp(-4 * (decades + 3))) + np.exp(6 * (decades - 0.3))  # falls at 1e-3, diverges at 2
    found = suggested(rates, losses)
    assert 1e-3 <= found < 5e-3  # the average follows a little late
    assert smoothed([3.0, 3.0, float("nan"), 3.0]) == pytest.approx([3, 3, 3, 3])
    with pytest.raises(InputError, match="does not fall"):
        suggested(rates, np.full(200, 2.0))


def test_sweep_suggests_a_rate_that_learns_and_writes_only_its_figure(
    stranger: None, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    figure = tmp_path / "figures" / "lr.png"
    plain = ("--set", "trainer={use: classification, batch_size: 8}", "--set", "augment={}")
    words = [str(shapes), "--find-lr", "--steps", "60", "--figure", str(figure), "--json", *plain]
    done = CliRunner().invoke(bench, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert 1e-5 < found["suggested"] < 0.5 and len(found["rates"]) == len(found["losses"]) <= 60
    assert Image.open(figure).width > 500
    assert not (tmp_path / "runs").exists()
