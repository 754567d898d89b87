"""``export``: the model of a run as a file that needs no hw1cli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...errors import InputError
from .. import completion
from ..options import CHECKPOINT, FORCE, JSON, PATH, print_json, refuse_to_overwrite, require_existing


@click.command()
@click.argument("run", metavar="RUN", type=PATH, shell_complete=completion.run_folders)
@click.option("--to", required=True, type=click.Choice(["onnx", "pt2", "safetensors"]), help="The format.")
@click.option("--out", required=True, type=PATH, help="The file to write.")
@click.option("--half", is_flag=True, help="Half precision: half the size; predictions differ slightly more.")
@click.option("--images", multiple=True, help="Images to verify with (default: the run's data).")
@CHECKPOINT
@FORCE
@JSON
def export(run: Path, to: str, out: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Export the model of a finished RUN as one file that takes uint8 RGB images of any size.

    Resizing, normalisation, softmax and class names are inside. Before anything is written, the file is compared with
    the trained model on images, in two sizes. A model card (NAME.md) and a script of a few lines that uses the file
    (NAME_example.py) are written beside it. An .onnx needs onnxruntime alone, a .pt2 torch alone; a .safetensors holds
    the weights. predict, evaluate and bench take all three.

    \b
    Examples:
      hw1cli export runs/seg_camvid/DATE --to onnx --out camvid.onnx
      hw1cli export runs/cls/DATE --to pt2 --out cls.pt2 --checkpoint last
      hw1cli export runs/cls/DATE --to onnx --half --out small.onnx --images photos
    """
    if out.suffix != f".{to}":
        raise InputError.of("--out", f"expected a file that ends in .{to}, got {str(out)!r}", f"--out {out.stem}.{to}")
    if out.is_dir():
        raise InputError.of(str(out), "is a directory, expected a file", f"--out {out / f'model.{to}'}")
    for path in (out, out.with_suffix(".md"), out.with_name(f"{out.stem}_example.py")):
        refuse_to_overwrite(path, force)
    require_existing(run)
    # Nothing heavy is imported before this line.
    from rich.console import Console

    from ...engine.export import Settings
    from ...engine.export import export as write

    found = write(Settings(run=run, to=to, out=out, **options), Console(stderr=as_json))  # type: ignore[arg-type]
    if as_json:
        print_json(found)
