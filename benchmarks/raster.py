"""The memory that predicting a raster takes, for rasters of several sizes.

    python benchmarks/raster.py [--sizes 2000x2000 20000x20000]

A small network is trained for a moment; then `hw1cli predict big.tif --out out.tif` runs in a process of its own, whose
largest resident memory is printed with the seconds. The rasters are sparse tiled GeoTIFFs with some random blocks. The
network sees them at a quarter of their size (`--scales 0.25`), since its speed is not the question.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from plugins.hw1.landcover_scenes import LandCoverScenes

ROOT = Path(__file__).resolve().parents[1]
_RECIPE = """
trainer: {{use: segmentation, epochs: 1, batch_size: 4}}
data: {{use: landcover, root: {data}}}
model: {{use: smp/unet, backbone: {{use: resnet18, width: 8}}, decoder_channels: [16, 16, 8, 8, 8]}}
loss: cross_entropy
runtime: {{precision: fp32, memory_format: contiguous, workers: 0, device: cpu}}
"""


def write_raster(path: Path, width: int, height: int) -> None:
    """A raster with a random block in every fourth row and column of blocks."""
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 500_000, 0, -1, 4_600_000)}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "SPARSE_OK": True, "BIGTIFF": "YES"}
    size = {"width": width, "height": height, "count": 3, "dtype": "uint8"}
    random = np.random.default_rng(0).integers(0, 256, (3, 512, 512), np.uint8)
    with rasterio.open(path, "w", driver="GTiff", **size, **blocks, **place) as file:
        for top in range(0, height - 511, 2048):
            for left in range(0, width - 511, 2048):
                file.write(random, window=Window(left, top, 512, 512))


def measured(*words: str) -> tuple[float, float]:
    """Seconds and largest resident memory (MiB) of a command."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, str(ROOT / "hw1cli.py"), *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} failed")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["2000x2000", "20000x20000"], metavar="WIDTHxHEIGHT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        LandCoverScenes(8, 4, 64, 0).make(folder / "data")
        (folder / "recipe.yaml").write_text(_RECIPE.format(data=folder / "data"))
        measured("run", str(folder / "recipe.yaml"), "--out", str(folder / "run"))
        for width, height in (map(int, size.split("x")) for size in given.sizes):
            write_raster(folder / "big.tif", width, height)
            words = ["--tile", "512", "--scales", "0.25", "--device", "cpu", "--force"]
            out = folder / "out.tif"
            seconds, memory = measured(
                "predict", str(folder / "run"), str(folder / "big.tif"), "--out", str(out), *words
            )
            with rasterio.open(out) as result:
                assert result.shape == (height, width) and result.crs == "EPSG:32633"
            pixels = width * height / 1e6
            print(
                f"{width} x {height}: peak {memory:.0f} MiB, {seconds:.0f} s, {pixels / seconds:.2f} megapixels/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
