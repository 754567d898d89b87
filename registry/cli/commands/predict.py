"""``predict``: labels or masks of new images, by a finished run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from ...errors import DONE, FAILED, InputError, Problem
from .. import completion
from ..options import CHECKPOINT, DEVICE, FORCE, JSON, PATH, print_json, refuse_to_overwrite, require_existing

#: Seconds that a process waits for the slowest one.
_WAIT: Final = 24 * 3600.0


@click.command()
@click.argument("run", metavar="RUN", type=PATH, shell_complete=completion.run_folders)
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=PATH, help="The folder to write; for labels also a .csv, for a raster a .tif."
)
@click.option("--images", type=PATH, help="The folder of the files that a csv names (default: the csv's own).")
@click.option("--recursive", is_flag=True, help="Search the folders' subfolders too.")
@click.option("--scores", is_flag=True, help="Write probabilities too: columns of the csv, or NAME_scores.npy.")
@click.option("--overlay", "overlays", is_flag=True, help="Write NAME_overlay.jpg too, the mask over its image.")
@click.option(
    "--mask-format",
    type=click.Choice(["colors", "index"]),
    default="colors",
    help="RGB masks in the classes' colours, or grey masks of class indices.",
)
@click.option(
    "--flips", default="", show_default=False, metavar="h,v", help="Average over mirror images: h, v, or h,v."
)
@click.option("--scales", default="1", metavar="LIST", help="Average over scaled images, e.g. 0.75,1,1.25.")
@click.option("--tile", type=click.IntRange(32), help="Side of the tiles that larger images are cut into.")
@click.option(
    "--overlap",
    type=click.FloatRange(0, 0.9),
    default=0.25,
    help="Smallest overlap of neighbouring tiles, as a share of a tile.",
)
@click.option("--batch-size", type=click.IntRange(1), help="Images, or tiles, per batch (default: the run's).")
@click.option("--devices", type=click.IntRange(1), default=1, help="Processes that share the inputs, one GPU each.")
@click.option("--resume", is_flag=True, help="Go on with many inputs where the same prediction was stopped.")
@CHECKPOINT
@DEVICE
@FORCE
@JSON
def predict(
    run: Path,
    flips: str,
    scales: str,
    devices: int,
    checkpoint: Any,
    device: Any,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Predict labels or masks of images with RUN: the folder of a finished run or of a study's folds, or an exported
    file.

    INPUTS are folders, files, quoted patterns, a folder of data pack, or one csv with a column filename, image_id, file
    or image. A mask is written as NAME_mask.png in its image's size; images larger than those of the training are cut
    into tiles. Images that cannot be read are listed, and the others are predicted (exit code 1).

    One raster with --out FILE.tif is predicted in windows, whatever its size, into a GeoTIFF in its place on the map;
    the same command goes on where it was stopped.

    \b
    Examples:
      hw1cli predict runs/seg_camvid/DATE photos --out masks --overlay
      hw1cli predict runs/seg_camvid/DATE 'photos/**/*.jpg' --out masks --flips h --scales 0.75,1,1.25
      hw1cli predict runs/seg_camvid/DATE city.tif --out city_classes.tif
      hw1cli predict runs/cls/DATE photos --out labels.csv --scores
      hw1cli predict runs/cls/DATE photos --out labels.csv --devices 4
      hw1cli predict runs/cls/DATE test.csv --images photos --out labels.csv
    """
    views = _views(flips, scales)
    several = "WORLD_SIZE" in os.environ or int(os.environ.get("SLURM_NTASKS", 1)) > 1
    if not several:  # else a quicker process may have begun to write
        refuse_to_overwrite(settings["out"], force or settings["resume"])
    require_existing(run)
    # Nothing heavy is imported before this line.
    if devices > 1 and not several:
        from ...engine.runtime.launch import launch

        launch(devices)
        return
    from rich.console import Console

    from ...engine.exported import open_model
    from ...engine.predict import Settings
    from ...engine.predict import predict as predict_all
    from ...engine.runtime import processes

    if several:
        processes.start(_WAIT)
        processes.from_first(lambda: refuse_to_overwrite(settings["out"], force or settings["resume"]))
    first = processes.rank() == 0
    saved = open_model(run, checkpoint=checkpoint, device=device)
    summary = predict_all(saved, Settings(**views, **settings), Console(stderr=as_json, quiet=not first))
    if as_json and first:
        print_json(summary)
    sys.exit(FAILED if summary["failed"] and first else DONE)


def _views(flips: str, scales: str) -> dict[str, Any]:
    letters = list(dict.fromkeys(flips.lower().replace(",", "").replace(" ", "")))
    try:
        factors = [float(part) for part in scales.split(",")]
    except ValueError:
        factors = []
    problems = []
    if not set(letters) <= {"h", "v"}:
        hint = "h mirrors left and right, v top and bottom"
        problems.append(Problem("--flips", f"expected h, v or h,v, got {flips!r}", hint))
    if not factors or not all(0.1 <= factor <= 8 for factor in factors):
        problems.append(Problem("--scales", f"expected factors from 0.1 to 8, got {scales!r}", "such as 0.75,1,1.25"))
    if problems:
        raise InputError(problems)
    return {"flips": letters, "scales": factors}
