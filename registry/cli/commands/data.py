"""``data make``, ``data inspect`` and ``data pack``: generated data sets, what a folder contains, and its shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .. import completion
from ..errors import CommandGroup
from ..inspection import block_of, print_report
from ..options import JSON, PATH, print_json, unused_folder

if TYPE_CHECKING:
    from ...recipe.plan import ComponentPlan

#: Share of every class that is proposed for evaluation, where the data have no evaluation split.
_HELD_OUT: Final = 0.2


@click.group(cls=CommandGroup)
def data() -> None:
    """Generate data sets, and inspect folders of data."""


@data.command("make")
@click.argument("name", shell_complete=completion.generator_names)
@click.option("--out", required=True, type=PATH, help="The folder to write; must be new or empty.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change an argument of the generator.",
    shell_complete=completion.generator_arguments,
)
def data_make(name: str, out: Path, sets: tuple[str, ...]) -> None:
    """Write the data set of the generator NAME into a folder.

    \b
    Examples:
      hw1cli data make landcover --out data/p3_data
      hw1cli data make digits --out data/digits
      hw1cli data make landcover --out /tmp/scenes --set size=512 --set train=200
    """
    from ...catalog.registry import Registry
    from ...errors import InputError, Problem
    from ...recipe.overrides import apply
    from ...recipe.planner import plan_component
    from ...recipe.yaml import Location, Node

    location = Location("the command line", None)
    node = Node({"use": Node(name, location)}, location)
    problems: list[Problem] = []
    apply(node, sets, (), problems)
    if problems:
        raise InputError(problems)
    plan = plan_component(node, "generators", Registry())
    from ...engine.train.demo import make

    facts = make(plan, out)
    click.secho(f"{name} in {out}", bold=True)
    for key, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{part} {share:.1%}" for part, share in value.items())
        click.echo(f"  {key}: {value}")


@data.command("inspect")
@click.argument("root", type=PATH)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The PNG of samples to write; an existing one is replaced (default: inspection/ROOT'S-NAME/samples.png, "
    "numbered where that exists).",
)
@click.option("--no-sheet", is_flag=True, help="Draw no samples.")
@click.option(
    "--run",
    type=PATH,
    help="A classifier's run on these data, or a study: labels that it contradicts with confidence.",
    shell_complete=completion.run_folders,
)
@click.option("--out", type=PATH, metavar="HTML", help="Write it all as one HTML page; an existing one is replaced.")
@JSON
def data_inspect(
    root: Path, sheet: Path | None, no_sheet: bool, run: Path | None, out: Path | None, as_json: bool
) -> None:
    """Inspect the folder ROOT: its layout, image sizes, class shares and faults, and the data: block for a recipe.

    A sheet of samples shows images of each class, or images with their masks. Images that occur twice are listed, also
    where one is resized, encoded anew or mirrored, and whether they are in both splits.

    \b
    Examples:
      hw1cli data inspect data/p3_data
      hw1cli data inspect data/p1_data --sheet p1.png
      hw1cli data inspect data/camvid --no-sheet --json
      hw1cli data inspect data/p1_data --run runs/mine --out p1.html
    """
    from ...errors import InputError
    from ...results import suspects

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError.of(str(out), "is not an HTML file", f"name it {out.with_suffix('.html').name}")
    if sheet is not None and no_sheet:
        raise click.UsageError("--sheet and --no-sheet contradict each other")
    chosen = None if no_sheet else sheet or unused_folder("inspection", root.resolve().name) / "samples.png"
    suspicious = None if run is None else suspects.of_run(run)  # before everything is read
    report = inspect_data(root, chosen)
    pictures = report.pop("pictures")
    if suspicious is not None:
        report["suspicious"] = [{**each, "index": _index(pictures, each)} for each in suspicious]
    report["problems"] = _problems(report)
    if out is not None:
        _write_page(root.resolve().name, report, pictures, out)
    print_json({**report, "page": out}) if as_json else print_report(report)
    if out is not None and not as_json:
        click.echo(f"page: {out}")


@data.command("pack")
@click.argument("root", type=PATH)
@click.option("--out", required=True, type=PATH, help="The folder to write; must be new or empty.")
@click.option("--to", default="shards", metavar="DATASET", help="The data set in whose layout to write.")
@click.option("--shard-size", type=click.IntRange(1), default=256, metavar="MB", help="Size of a shard.")
@JSON
def data_pack(root: Path, out: Path, to: str, shard_size: int, as_json: bool) -> None:
    """Pack the data set ROOT into few large files, which a recipe reads with data: {use: shards, index: OUT}.

    ROOT is a folder that data inspect recognises, or a recipe, whose data are packed. Images are copied as they are,
    masks as their labels; order, names and splits stay.

    \b
    Examples:
      hw1cli data pack data/p1_data --out shards/p1
      hw1cli data pack my.yaml --out shards/mine --shard-size 64
    """
    from ...catalog.registry import Registry
    from ...errors import InputError
    from ...recipe.request import Request, planned

    write = Registry().find("datasets", to).spec().pack
    if write is None:
        raise InputError.of("--to", f"{to} only reads", "shards writes")
    plan = planned(Request(root), Registry()).data if root.is_file() else _recognised(root)[1]
    from rich.console import Console

    from ...engine.build import build
    from ...engine.console import Console as Progressing

    dataset = build(plan, {"seed": 0})
    total = sum(len(split) for name in ("train", "val") if (split := dataset.split(name)) is not None)
    with Progressing(Console(stderr=True)).progress(total, "samples") as bar:
        facts = {**write(dataset, out, shard_size * 1_000_000, lambda: bar.advance(1))}
    if as_json:
        print_json(facts)
    else:
        click.echo("\n".join(f"{key}: {value}" for key, value in facts.items()))


def _index(pictures: Any, row: Mapping[str, Any]) -> int | None:
    """The place of an image in the inspection's pictures, of its split where that has one of the name."""
    places = [at for at, name in enumerate(pictures.name) if str(name) == row["name"]]
    return next((at for at in places if pictures.split[at] == row["split"]), places[0] if places else None)


def _problems(report: Mapping[str, Any]) -> list[str]:
    """What spoils studies, in sentences."""
    groups, found = report["duplicates"], list(report["classes"])
    for word, number in (
        ("of images in train and val alike (leaks)", sum(group["leak"] for group in groups)),
        ("of duplicates with different labels", sum(group["conflict"] for group in groups)),
        ("of exact duplicates", sum(group["kind"] == "exact" for group in groups)),
        ("of near duplicates", sum(group["kind"] == "near" for group in groups)),
    ):
        found += [f"{number} group{'s' * (number > 1)} {word}"] if number else []
    for word, key in (("of an odd size", "odd_sizes"), ("with a suspicious label", "suspicious")):
        number = len(report.get(key) or ())
        found += [f"{number} image{'s' * (number > 1)} {word}"] if number else []
    return found


def _write_page(title: str, report: Mapping[str, Any], pictures: Any, out: Path) -> None:
    """Write the page of an inspection."""
    import tempfile

    from ... import files
    from ...engine.inspection.spoilers import write_thumbnails
    from ...report.inspected import render_inspection

    shown = [image["index"] for group in report["duplicates"] for image in group["images"][:12]][:2000]
    shown += [each["index"] for each in report.get("suspicious", ())[:200] if each["index"] is not None]
    with tempfile.TemporaryDirectory() as folder:
        text = render_inspection(title, report, write_thumbnails(pictures, shown, Path(folder)), block_of(report))
    files.write_text(out, text)


def inspect_data(root: Path, sheet: Path | None = None) -> dict[str, Any]:
    """What a folder of data contains, read with the first dataset that recognises its layout.

    Args:
        root: the folder.
        sheet: a PNG of samples to write; None for none.

    Returns:
        ``dataset``, ``data`` (the block for a recipe), ``split`` (a block, where the data have no evaluation split),
        and what ``registry.engine.inspection.inspect.inspect`` returns.

    Raises:
        InputError: the folder does not exist, no dataset recognises it, or its files are faulty.
    """
    block, plan = _recognised(root)
    from ...engine.build import build
    from ...engine.inspection.inspect import inspect

    if sheet is not None:
        sheet.parent.mkdir(parents=True, exist_ok=True)
    dataset, arguments = build(plan, {"seed": 0}), plan.given_or_default()
    found = inspect(dataset, title=root.resolve().name, arguments=arguments, sheet=sheet)
    block |= found["bands"] if "bands" in block else {}
    report = {"dataset": block["use"], "data": block, **found}
    return report if "val" in report["splits"] else {**report, "split": {"val": _HELD_OUT}}


def _recognised(root: Path) -> tuple[dict[str, Any], ComponentPlan]:
    """The ``data:`` block of the first dataset that recognises a folder's layout, and its plan.

    Raises:
        InputError: the folder does not exist, or no dataset recognises it.
    """
    from ...catalog.registry import Registry
    from ...errors import InputError, PluginError
    from ...recipe.planner import plan_component
    from ...recipe.yaml import as_node

    if not root.is_dir():
        raise InputError.of(str(root), "is not a directory")
    registry = Registry()
    for component in registry.components("datasets"):
        try:
            guessed = component.spec().guess(root)
        except PluginError:
            continue
        if guessed is not None:
            block = {"use": component.name, **guessed}
            plan = plan_component(as_node(block), "datasets", registry)
            from ...engine.build import build
            from ...engine.inspection.headers import are_rasters

            if "bands" not in block and are_rasters(build(plan, {"seed": 0}).split("train")):
                block["bands"] = "all"
                plan = plan_component(as_node(block), "datasets", registry)
            return block, plan
    names = ", ".join(component.name for component in registry.components("datasets"))
    raise InputError.of(str(root), "has a layout that no dataset recognises", f"datasets: {names}")
