"""``import hw1cli``: what scripts and notebooks use gives what the commands give."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from runs import train

import hw1cli as api
from registry.errors import InputError


def test_import_needs_neither_torch_nor_click() -> None:
    heavy = "('torch', 'numpy', 'click', 'rich', 'yaml', 'PIL')"
    code = f"import sys, hw1cli; print([name for name in {heavy} if name in sys.modules], callable(hw1cli.main))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split("]")[0] == "[", done.stdout + done.stderr


@pytest.mark.parametrize("module", ["hw1cli", "registry.api"])
def test_the_examples_in_docstrings_hold(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(__import__(module, fromlist=["api"]))
    assert found.attempted > 0 and found.failed == 0


def test_from_a_recipe_to_a_mask_in_three_lines(stranger: None, recipe: Path, tmp_path: Path, scenes: Path) -> None:
    run = api.train(recipe, {"trainer.epochs": 1, "optimizer": {"use": "adamw", "lr": 1e-3}}, out=tmp_path / "run")
    photo = next((scenes / "validation").glob("*_sat.jpg"))
    prediction = api.load(run, device="cpu").predict(photo)
    assert prediction.mask is not None and prediction.mask.shape == (64, 64) and prediction.mask.dtype == np.uint8
    assert prediction.probabilities.shape == (7, 64, 64) and prediction.label is None
    assert prediction.classes[4] == "water" and sum(prediction.shares().values()) == pytest.approx(1)
    assert prediction.overlay().size == (64, 64) and prediction._repr_png_().startswith(b"\x89PNG")
    assert repr(prediction).startswith(f"<Prediction of {photo.name}: mask 64x64; ")
    prediction.save(tmp_path / "mask.png")
    assert np.array_equal(np.array(Image.open(tmp_path / "mask.png")), prediction.mask)
    assert run.scores.keys() >= {"miou"} and run.summary["epochs"] == 1


def test_a_mask_is_the_one_that_predict_writes(stranger: None, recipe: Path, tmp_path: Path) -> None:
    from rich.console import Console

    from registry.engine.predict import Settings, predict

    train(
        recipe,
        tmp_path / "run",
        "trainer.epochs=1",
        "augment.eval=[{use: albumentations/Resize, height: 64, width: 96}]",
    )
    (tmp_path / "in").mkdir()
    large = np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "in" / "a.png")
    model = api.load(tmp_path / "run", device="cpu")
    settings = Settings(inputs=[str(tmp_path / "in")], out=tmp_path / "out", mask_format="index", flips=("h",))
    predict(model.saved, settings, Console(quiet=True))
    files, pixels = model.predict([tmp_path / "in" / "a.png", large], flips=("h",))
    written = np.array(Image.open(tmp_path / "out" / "a_mask.png"))
    assert files.mask is not None and pixels.mask is not None
    assert np.array_equal(files.mask, written) and np.array_equal(pixels.mask, written)
    assert np.array_equal(model.predict(Image.fromarray(large), flips="h").probabilities.argmax(0), written)
    assert model.preprocess([large, large]).shape == (2, 3, 64, 96)


def test_labels_features_and_the_network(stranger: None, shapes: Path, tmp_path: Path, colored_images: Path) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    model = api.load(tmp_path / "run", device="cpu")
    one = model.predict(colored_images / "val" / "red" / "0.png")
    assert one.label in model.classes == ["blue", "green", "red"] and one.mask is None
    assert one.probabilities.sum() == pytest.approx(1, abs=1e-5) and one._repr_png_().startswith(b"\x89PNG")
    assert list(one.shares().values()) == sorted(one.probabilities.tolist(), reverse=True)
    images = sorted((colored_images / "val" / "red").iterdir())
    features = model.features(list(images))
    assert features.shape[0] == len(images) and features.dtype == np.float32
    with torch.inference_mode():
        logits = model.model(model.preprocess(list(images)))
    assert torch.allclose(logits.softmax(1)[0], torch.from_numpy(one.probabilities), atol=1e-5)
    with pytest.raises(InputError, match="float64"):
        model.predict(np.zeros((4, 4, 3)))


def test_a_transparent_turned_or_deep_image_in_memory_is_read_as_its_file(
    stranger: None, shapes: Path, tmp_path: Path
) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    model = api.load(tmp_path / "run", device="cpu")
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (20, 30, 4), np.uint8)).save(tmp_path / "a.png")
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(generator.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / "b.jpg", exif=turned)
    Image.fromarray(generator.integers(0, 65536, (20, 30), np.uint16)).save(tmp_path / "c.png")
    for file in (tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "c.png"):
        opened = model.predict(Image.open(file))
        assert np.array_equal(opened.image, model.predict(file).image)


def test_problems_names_and_runs_side_by_side(stranger: None, shapes: Path, tmp_path: Path) -> None:
    assert api.check(shapes) == []
    problems = api.check(shapes, {"loss": "focl", "trainer.epochs": 0})
    assert {problem.path for problem in problems} == {"loss", "trainer.epochs"}
    with pytest.raises(InputError, match="not a kind"):
        api.components("backbone")
    with pytest.raises(InputError, match="widht"):
        api.build("backbones", "stranger_net", widht=3)
    assert api.build("backbones", "stranger_net", width=3, in_channels=1).channels == (3, 6, 12)
    for seed, rate in ((0, 1e-3), (1, 1e-2)):
        api.train(shapes, {"trainer.epochs": 1, "seed": seed, "optimizer.lr": rate}, out=tmp_path / "runs" / str(seed))
    table = api.compare([tmp_path / "runs"])
    assert [row["optimizer.lr"] for row in table] == [1e-3, 1e-2] and [row["name"] for row in table] == ["0", "1"]
    assert all(row.keys() == table[0].keys() for row in table) and "<th>best</th>" in table._repr_html_()
