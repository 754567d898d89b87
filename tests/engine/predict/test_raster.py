"""A raster predicted into a GeoTIFF: the labels of the prediction in memory, its place on the map, bounds and kills."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rich.console import Console
from test_predict import masker, pixelwise  # noqa: F401 - fixtures

from registry.engine.data.masks import read_index_mask
from registry.engine.predict import Settings, predict
from registry.engine.predict import raster as module
from registry.engine.predict.predictor import Predictor
from registry.engine.train.saved_run import SavedRun
from registry.errors import InputError

QUIET = Console(quiet=True)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """An RGB raster of 700 x 300 pixels in a place of its own, with a corner without data; and the same as PNG."""
    rough = np.random.default_rng(0).integers(1, 256, (38, 88, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(rough).resize((700, 300), Image.Resampling.BICUBIC)).clip(1)
    Image.fromarray(pixels).save(tmp_path / "city.png")
    pixels = pixels.copy()
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_600_000), "nodata": 0}
    known = {"driver": "GTiff", "width": 700, "height": 300, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "city.tif", "w", **known, blockxsize=128, blockysize=128, **place) as file:
        file.write(pixels.transpose(2, 0, 1))
    return tmp_path / "city.tif"


def labels_in_memory(saved: SavedRun, city: Path, tmp_path: Path, **how: Any) -> np.ndarray:
    out = tmp_path / "masks"
    predict(saved, Settings(inputs=[str(city.with_suffix(".png"))], out=out, mask_format="index", **how), QUIET)
    return read_index_mask(out / "city_mask.png")


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several stripes, and a record after few rows, for a small raster."""
    monkeypatch.setattr(module, "_MOST", 1)
    monkeypatch.setattr(module, "_BLOCK", 64)


def test_a_raster_has_the_labels_of_the_prediction_in_memory(
    masker: SavedRun,  # noqa: F811
    city: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how: dict[str, Any] = {"tile": 64, "overlap": 0.4, "flips": ["h"]}
    expected = labels_in_memory(masker, city, tmp_path, **how)
    narrow(monkeypatch)
    out = tmp_path / "maps" / "city_classes.tif"
    summary = predict(masker, Settings(inputs=[str(city)], out=out, **how), QUIET)
    assert summary["tiles"] > 100 and summary["size"] == [700, 300]
    with rasterio.open(out) as result, rasterio.open(city) as source:
        assert np.array_equal(result.read(1), expected) and len(np.unique(expected)) > 2
        assert (result.crs, result.transform, result.nodata) == (source.crs, source.transform, 255)
        assert result.profile["tiled"] and result.profile["compress"] == "deflate"
        assert [result.colormap(1)[n][:3] for n in range(7)] == [tuple(c) for c in masker.facts["class_colors"]]
        assert result.tags(1)["class_3"] == "forest"
    assert [path.name for path in out.parent.iterdir()] == [out.name], "no other file is left"


def test_pixels_without_data_have_no_class(masker: SavedRun, city: Path, tmp_path: Path) -> None:  # noqa: F811
    with rasterio.open(city, "r+") as file:
        file.write(np.zeros((3, 40, 50), np.uint8), window=rasterio.windows.Window(0, 0, 50, 40))
    predict(masker, Settings(inputs=[str(city)], out=tmp_path / "out.tif", tile=64), QUIET)
    with rasterio.open(tmp_path / "out.tif") as result:
        labels = result.read(1)
    assert (labels[:40, :50] == 255).all() and (labels == 255).sum() == 2000


def test_a_killed_prediction_goes_on_and_ends_with_the_same_file(
    masker: SavedRun,  # noqa: F811
    city: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is killed in the second stripe; the rest is predicted by another one."""
    narrow(monkeypatch)
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    predict(masker, Settings(inputs=[str(city)], out=whole, tile=32), QUIET)
    child = os.fork()
    if not child:
        predict(masker, Settings(inputs=[str(city)], out=out, tile=32), QUIET)
        os._exit(0)
    record, deadline = tmp_path / ".out.tif.json", time.monotonic() + 60
    while time.monotonic() < deadline and not (record.exists() and '"stripe": 1' in record.read_text()):
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not out.exists() and record.exists(), "it was killed on the way"
    seen: list[float] = []
    real = Predictor.predict

    def counted(self: Any, tiles: Any) -> Any:
        for tile in real(self, tiles):
            seen.append(tile.share)
            yield tile

    monkeypatch.setattr(Predictor, "predict", counted)
    summary = predict(masker, Settings(inputs=[str(city)], out=out, tile=32), QUIET)
    assert 0 < len(seen) < summary["tiles"]
    assert out.read_bytes() == whole.read_bytes()


def test_what_does_not_fit_a_raster_is_named(masker: SavedRun, city: Path, tmp_path: Path) -> None:  # noqa: F811
    known = {"driver": "GTiff", "width": 64, "height": 64, "count": 3, "dtype": "uint16"}
    with rasterio.open(tmp_path / "deep.tif", "w", **known) as file:
        file.write(np.ones((3, 64, 64), np.uint16))
    out = tmp_path / "out.tif"
    for name, reason in (
        (city.with_suffix(".txt"), "cannot be read as a raster"),
        (tmp_path / "deep.tif", "has 16 bits, and the run was trained on RGB images of 8 bits"),
    ):
        name.exists() or name.write_text("no raster")
        with pytest.raises(InputError, match=reason):
            predict(masker, Settings(inputs=[str(name)], out=out), QUIET)
    with pytest.raises(InputError, match="do not go with a GeoTIFF"):
        predict(masker, Settings(inputs=[str(city)], out=out, scores=True), QUIET)
    content = city.read_bytes()
    city.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be read as a raster"):
        predict(masker, Settings(inputs=[str(city)], out=out, tile=64), QUIET)
    assert not out.exists()
