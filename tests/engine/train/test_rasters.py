"""Rasters of six bands and 16 bits: inspected, trained on, evaluated, predicted; beside RGB images of 8 bits."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from PIL import Image
from rich.console import Console
from runs import same, train, weights

import hw1cli as api
from registry.cli.commands.data import inspect_data
from registry.engine.data.masks import read_index_mask
from registry.engine.evaluate.run import RunQuestion, evaluate_run
from registry.engine.predict import Settings, predict
from registry.engine.train.saved_run import open_run
from registry.errors import InputError


def write_raster(path: Path, pixels: np.ndarray, **profile: Any) -> None:
    """A GeoTIFF of (H, W, bands)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = pixels.shape
    known = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": pixels.dtype}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)
    with rasterio.open(path, "w", **known, crs="EPSG:32633", transform=transform, **profile) as file:
        file.write(pixels.transpose(2, 0, 1))


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of six bands whose fifth band alone separates the classes, in values of satellites (0..4000)."""
    root, random = tmp_path_factory.mktemp("rasters") / "fields", np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3)):
        for number in range(count):
            mask = np.kron(random.integers(0, 2, (4, 4)), np.ones((16, 16))).astype(np.uint8)
            pixels = random.integers(300, 1200, (64, 64, 6)).astype(np.uint16)
            pixels[..., 4] += 2500 * mask.astype(np.uint16)
            write_raster(root / split / "images" / f"{number}.tif", pixels, compress="deflate")
            (root / split / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / split / "masks" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The recipe that ``data inspect`` leads to, and its run."""
    folder = tmp_path_factory.mktemp("run")
    report = inspect_data(fields)
    recipe = folder / "fields.yaml"
    recipe.write_text(
        yaml.safe_dump({"data": {k: str(v) if isinstance(v, Path) else v for k, v in report["data"].items()}})
        + dedent("""
        trainer: {use: segmentation, epochs: 25, batch_size: 4}
        model: {use: smp/unet, backbone: {use: resnet18, width: 8}, decoder_channels: [16, 16, 8, 8, 8]}
        loss: cross_entropy
        optimizer: {use: adamw, lr: 5e-3}
        augment: {train: [albumentations/HorizontalFlip, albumentations/RandomRotate90]}
        reports: [{use: mask_stages, images: 1, at: [last]}]
        runtime: {precision: fp32, memory_format: contiguous, workers: 0}
        """)
    )
    train(recipe, folder / "run")
    return recipe, folder / "run"


def test_inspect_prints_bands_and_statistics_to_paste(fields: Path, tmp_path: Path) -> None:
    report = inspect_data(fields, tmp_path / "sheet.png")
    block = report["data"]
    images = np.stack([rasterio.open(path).read() for path in sorted((fields / "train" / "images").iterdir())])
    assert (block["use"], block["bands"]) == ("image_masks", "all")
    np.testing.assert_allclose(block["mean"], images.mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(block["std"], images.std((0, 2, 3)), rtol=1e-4)
    assert report["facts"]["in_channels"] == 6 and report["compared"] == 11
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 200


def test_a_run_learns_from_bands_that_no_screen_shows(trained: tuple[Path, Path], fields: Path, tmp_path: Path) -> None:
    """The network's first layer, the scores, the figures, and the masks that ``predict`` writes."""
    _, run = trained
    assert next(weight for name, weight in weights(run).items() if name.endswith("conv1.weight")).shape[1] == 6
    assert json.loads((run / "summary.json").read_text())["best"]["miou"] > 0.9
    assert list((run / "figures").rglob("*_image.jpg"))
    saved = open_run(run, device="cpu")
    found = evaluate_run(RunQuestion(run), Console(quiet=True))
    assert found
    inputs, out = [str(fields / "val" / "images")], tmp_path / "masks"
    predict(saved, Settings(inputs=inputs, out=out, mask_format="index", overlays=True), Console(quiet=True))
    for number in range(3):
        truth = read_index_mask(fields / "val" / "masks" / f"{number}.png")
        assert (read_index_mask(tmp_path / "masks" / f"{number}_mask.png") == truth).mean() > 0.9
        with Image.open(tmp_path / "masks" / f"{number}_overlay.jpg") as overlay:
            assert overlay.size == (64, 64)
    raster = rasterio.open(fields / "val" / "images" / "0.tif").read().transpose(1, 2, 0)
    one, other = api.load(run).predict([fields / "val" / "images" / "0.tif", raster])
    assert np.array_equal(np.asarray(one.mask), np.asarray(other.mask)) and one.image.shape == (64, 64, 3)
    with pytest.raises(InputError, match="has 3 bands of 8 bits, expected 6 bands of 16 bits"):
        api.load(run).predict(np.zeros((64, 64, 3), np.uint8))


def test_settings_that_do_not_fit_the_bands_are_named(trained: tuple[Path, Path], fields: Path, tmp_path: Path) -> None:
    recipe, _ = trained
    with pytest.raises(InputError, match=r"data\.mean: has 2 values, expected 6"):
        train(recipe, tmp_path / "a", "data.mean=[1, 2]")
    with pytest.raises(InputError, match=r"data\.mean and data\.std are needed: images of 16 bits"):
        train(recipe, tmp_path / "a", "data.mean=null")
    with pytest.raises(InputError, match=r"has 6 bands, and data\.bands names band 7"):
        train(recipe, tmp_path / "a", "data.bands=[7]")
    with pytest.raises(InputError, match=r"data\.bands: all reads rasters"):
        train(recipe, tmp_path / "a", "data.bands=rgb")
    assert not (tmp_path / "a").exists()


def test_weights_for_rgb_start_a_network_for_bands(fields: Path, trained: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, _ = trained
    three = "data.bands=[5, 2, 1]", "data.mean=[1900, 750, 750]", "data.std=[1000, 260, 260]", "trainer.epochs=1"
    train(recipe, tmp_path / "three", *three)
    start = f"model.backbone.weights={tmp_path / 'three'}"
    train(recipe, tmp_path / "six", "trainer.epochs=1", start, "optimizer.lr=1e-9")
    name = next(name for name in weights(tmp_path / "six") if name.endswith("conv1.weight"))
    one, other = (weights(tmp_path / run)[name] for run in ("three", "six"))
    assert torch.allclose(other, torch.cat([one, one], 1) / 2, atol=1e-5)
    assert "was adapted from RGB to 6 bands" in (tmp_path / "six" / "log.txt").read_text()


def test_packed_rasters_train_as_their_folder(fields: Path, trained: tuple[Path, Path], tmp_path: Path) -> None:
    from plugins.folders.image_masks import ImageMasks
    from plugins.shards.pack import pack
    from registry.engine.data.samples import Guarded
    from registry.recipe.grammar import DataSettings

    recipe, _ = trained
    data = Guarded(ImageMasks(fields, ["class_0", "class_1"]), DataSettings(bands="all"))
    pack(data, tmp_path / "packed", 10**5, lambda: None)
    report = inspect_data(tmp_path / "packed")
    assert report["data"]["bands"] == "all" and len(report["data"]["mean"]) == 6
    text = yaml.safe_load(recipe.read_text())
    text["data"] = {**report["data"], "index": str(tmp_path / "packed")}
    (tmp_path / "packed.yaml").write_text(yaml.safe_dump(text))
    train(recipe, tmp_path / "folder", "trainer.epochs=1")
    train(tmp_path / "packed.yaml", tmp_path / "shards", "trainer.epochs=1")
    assert same(weights(tmp_path / "folder"), weights(tmp_path / "shards"))
