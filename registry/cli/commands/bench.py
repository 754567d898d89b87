"""``bench``: how fast a recipe trains on this machine, and what limits it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError
from ..options import JSON, PATH, print_json, takes_request

if TYPE_CHECKING:
    from rich.console import Console

    from ...recipe.request import Request


@click.command()
@takes_request
@click.option("--seconds", type=click.FloatRange(0.1), default=5.0, help="Seconds of each measurement.")
@click.option("--find-batch-size", is_flag=True, help="Try doubling batch sizes: the largest that fits, the fastest.")
@click.option("--find-lr", is_flag=True, help="Raise the learning rate step by step: the one to use, and a figure.")
@click.option("--steps", type=click.IntRange(20), default=100, help="Steps of --find-lr.")
@click.option("--figure", type=PATH, default=Path("find_lr.png"), help="The figure of --find-lr.")
@JSON
def bench(
    request: Request,
    seconds: float,
    find_batch_size: bool,
    find_lr: bool,
    steps: int,
    figure: Path,
    as_json: bool,
) -> None:
    """Measure how fast RECIPE trains here, and say what limits it; or find its batch size or learning rate.

    The loader alone, the network alone and both are measured in turn, and the network's step in its parts. Nothing is
    written but generated data and decoded images. In place of RECIPE an exported file is measured as it predicts.

    \b
    Examples:
      hw1cli bench recipes/seg_deeplab_focal.yaml --demo
      hw1cli bench my.yaml --set runtime.workers=4 --json
      hw1cli bench my.yaml --find-batch-size
      hw1cli bench model.onnx
      hw1cli bench my.yaml --find-lr
    """
    if request.recipe.suffix in (".onnx", ".pt2", ".safetensors"):
        _bench_exported(request.recipe, seconds, as_json)
        return
    from ...catalog.registry import Registry
    from ...recipe.request import planned

    plan = planned(request, Registry())
    if missing := plan.missing():
        raise InputError(missing)
    # Nothing heavy is imported before this line.
    from rich.console import Console

    from ...engine import bench as measuring

    console = Console(stderr=as_json)
    if find_lr:
        from ...engine.find_lr import find_lr as finding

        swept = finding(plan, console, figure, steps)
        text = f"optimizer.lr={swept['suggested']:g}, where the loss falls fastest; {figure} shows the curve"
        print_json(swept) if as_json else console.print(text, style="bold", highlight=False, soft_wrap=True)
        return
    if find_batch_size:
        rows = measuring.find_batch_size(plan, console, min(seconds, 2.0))
        print_json(rows) if as_json else _print_sizes(rows, console)
        return
    found = measuring.bench(plan, console, seconds)
    print_json(found) if as_json else _print(found, console)


def _bench_exported(path: Path, seconds: float, as_json: bool) -> None:
    from ...engine.export.speed import measure
    from ..tables import Console, table_of

    found = measure(path, seconds)
    if as_json:
        print_json(found)
        return
    table = table_of("batch>", "images/s>", "ms a batch>")
    for row in found["batches"]:
        table.add_row(str(row["batch_size"]), f"{row['images_per_second']:.1f}", f"{row['milliseconds']:.1f}")
    height, width = found["size"]
    console = Console()
    console.print(f"{path}: images of {width}x{height}, on the CPU", highlight=False, soft_wrap=True)
    console.print(table)


def _print(found: dict[str, Any], console: Console) -> None:
    from rich.table import Table

    console.print(f"{found['runtime']}; batch {found['batch_size']}", highlight=False, soft_wrap=True)
    table = Table()
    for name, justify in (("measured", "left"), ("images/s", "right"), ("ms a step", "right"), ("share", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, rate in found["images_per_second"].items():
        table.add_row(name, f"{rate:.1f}", f"{found['batch_size'] / rate * 1e3:.1f}", "", end_section=name == "both")
    total = sum(found["step"].values())
    for name, seconds in found["step"].items():
        table.add_row(name, "", f"{seconds * 1e3:.1f}", f"{seconds / total:.0%}")
    console.print(table)
    share = found["gflops"] / found["matrix_gflops"]
    speed = f"{found['gflops']:.0f} GFLOP/s of {found['matrix_gflops']:.0f} in a matrix product ({share:.0%})"
    console.print(
        f"a step: {found['gflop']:.1f} GFLOP, {speed}; peak memory {found['peak_mb']:.0f} MB", highlight=False
    )
    console.print(found["advice"], style="bold", highlight=False, soft_wrap=True)


def _print_sizes(rows: list[dict[str, Any]], console: Console) -> None:
    from rich.table import Table

    table = Table(title="the network alone, by batch size", title_justify="left")
    for name in ("batch size", "images/s", "peak MB"):
        table.add_column(name, justify="right")
    fits = [row for row in rows if "error" not in row]
    for row in rows:
        figures = (
            ("does not fit", "") if "error" in row else (f"{row['images_per_second']:.1f}", f"{row['peak_mb']:.0f}")
        )
        table.add_row(str(row["batch_size"]), *figures)
    console.print(table)
    if fits:
        fastest = max(fits, key=lambda row: float(row["images_per_second"]))["batch_size"]
        console.print(f"fastest: trainer.batch_size={fastest}; largest tried that fits: {fits[-1]['batch_size']}")
