"""The installed plugin: hw1cli's checks of plugins, each part by itself, and the recipe."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hw1cli_grades.calibration import error_of, reliability
from hw1cli_grades.field_of_view import FieldOfView
from hw1cli_grades.medmnist import MedMnist
from hw1cli_grades.ordinal import median, weighted_kappa
from hw1cli_grades.spots import Spots
from hw1cli_grades.squared_emd import SquaredEarthMovers
from sklearn.metrics import cohen_kappa_score

from registry import InputError
from registry.testing import Check, checks

RECIPE = Path(__file__).parent.parent / "recipes" / "retina.yaml"

#: What the data set is tried with: it reads a file, and the generator that writes such files has another name.
MADE = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, MADE, ignore_errors=True)
Spots(24, 12, 32, 0).make(MADE)
GIVEN = {"datasets/medmnist": {"root": str(MADE)}}


@pytest.mark.parametrize("check", checks("hw1cli-grades", arguments=GIVEN), ids=str)
def test_conforms(check: Check) -> None:
    check()


def test_the_loss_grows_with_the_distance_in_grades() -> None:
    logits, loss = torch.tensor([[20.0, 0, 0, 0]]), SquaredEarthMovers()
    found = [float(loss(logits, torch.tensor([grade]))) for grade in range(4)]
    assert np.allclose(found, [0, 1, 2, 3], atol=1e-6)
    assert float(loss(torch.zeros(1, 2), torch.tensor([0]))) == pytest.approx(0.25)  # a half is one grade too far
    assert float(SquaredEarthMovers(3)(logits.repeat(2, 1), torch.tensor([1, 3]))) == pytest.approx(1)


def test_kappa_is_scikit_learns_and_the_median_halves() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 5, 200)
    predicted = np.clip(truth + random.integers(-1, 2, 200), 0, 4)
    wanted = cohen_kappa_score(truth, predicted, weights="quadratic")
    assert weighted_kappa(torch.tensor(truth), torch.tensor(predicted)) == pytest.approx(wanted)
    shares = torch.tensor([[0.3, 0.3, 0.4], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]])
    assert median(shares.log()).tolist() == [1, 0, 2]


def test_the_calibration_error_is_what_was_put_in() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0, 1, 20_000)
    assert error_of(reliability(confidence, random.uniform(size=20_000) < confidence, 10)) < 0.02
    assert error_of(reliability(confidence, random.uniform(size=20_000) < confidence / 2, 10)) == pytest.approx(
        0.25, abs=0.02
    )


def test_the_field_is_round_and_the_same_for_the_same_seed() -> None:
    image = np.full((40, 60, 3), 200, np.uint8)
    transform = FieldOfView(least=0.5, shift=0.0, p=1.0)
    first, again = (transform(image=image)["image"] for _ in range(2) if transform.set_random_seed(3) is None)
    assert (first == again).all() and first[20, 30, 0] == 200 and first[0, 0].sum() == 0
    share = (first[..., 0] > 0).sum() / (np.pi * 20**2)
    assert 0.25 <= share <= 1


def test_the_file_is_read_and_another_one_refused(tmp_path: Path) -> None:
    Spots(20, 10, 24, 0).make(tmp_path)
    data = MedMnist(tmp_path)
    train, val = data.split("train"), data.split("val")
    assert train is not None and val is not None and (len(train), len(val)) == (20, 10)
    assert data.facts["num_classes"] == 5 and train[0]["image"].shape == (24, 24, 3)
    with pytest.raises(InputError, match="test_images"):
        MedMnist(tmp_path, "test")
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"2 \.npz files"):
        MedMnist(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        MedMnist(tmp_path / "other.npz")


def test_the_recipe_runs_its_demo(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["hw1cli", "run", RECIPE, "--demo", "--out", out, "--set", "trainer.epochs=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (out / "figures" / "calibration.png").is_file()
    header, *rows = (out / "metrics.csv").read_text().splitlines()
    assert {"kappa", "mae"} <= set(header.split(",")) and len(rows) == 2
    assert json.loads((out / "summary.json").read_text())
