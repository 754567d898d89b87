"""``compare``: runs side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .. import completion
from ..options import PATH, print_json

if TYPE_CHECKING:
    from rich.table import Table

#: Columns of a terminal that has room for the speed of each run.
_WIDE: Final = 100


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH, shell_complete=completion.run_folders)
@click.option("--figure", type=PATH, metavar="PNG", help="Draw the monitored scores over the epochs.")
@click.option("--where", multiple=True, metavar="PATH=PATTERN", help="Only runs with this setting: model=timm/*.")
@click.option("--json", "output", flag_value="json", help="Print JSON, for programs.")
@click.option("--csv", "output", flag_value="csv", help="Print a table as CSV, one row a run.")
@click.option("--markdown", "output", flag_value="markdown", help="Print the same table as Markdown.")
def compare(runs: tuple[Path, ...], figure: Path | None, where: tuple[str, ...], output: str | None) -> None:
    """Compare finished runs: their scores, and everything in which they differ.

    RUN is a run folder, or a folder that contains some. The output lists the best scores, marks the differences that
    are more than noise (runs that differ in seed or fold alone count as one setting), and lists the settings, machine,
    libraries and code that differ.

    \b
    Examples:
      hw1cli compare runs/cls_resnet18/2026-01-31_12-00-00 runs/mine
      hw1cli compare runs/ssl_settings/study --figure settings.png
      hw1cli compare runs --where 'model.backbone=timm/*' --where seed=0 --markdown
      hw1cli compare runs --json
    """
    from ...results.tables import as_csv, as_markdown

    comparison = compare_folders(runs, figure, where)
    if output is None:
        _print(comparison)
    elif output == "json":
        print_json(comparison)
    else:
        click.echo(as_csv(comparison) if output == "csv" else as_markdown(comparison), nl=False)


def compare_folders(paths: Sequence[Path], figure: Path | None = None, where: Sequence[str] = ()) -> dict[str, Any]:
    """Compare the runs in folders; see ``registry.results.runs.compare_runs`` for what is returned.

    Args:
        paths: run folders, or folders that contain some.
        figure: a PNG to write, of the monitored scores over the epochs; its path is ``figure`` in the result.
        where: conditions on the settings; see ``registry.results.where.chosen``.

    Raises:
        InputError: fewer than two runs, one that is not finished, a condition that none meets, or a figure that cannot
            be written.
    """
    from ...errors import InputError
    from ...results.runs import compare_runs, find_runs, read
    from ...results.where import chosen

    if figure is not None and figure.suffix.lower() != ".png":
        raise InputError.of(str(figure), "is not a PNG file", f"name it {figure.with_suffix('.png').name}")
    if figure is not None and not figure.parent.is_dir():
        raise InputError.of(str(figure.parent), "is not a directory")
    folders = list(dict.fromkeys(folder for path in paths for folder in find_runs(path)))
    runs = chosen([read(folder) for folder in folders], where)
    if len(runs) < 2:
        hint = "name two runs or more, or a folder that contains them"
        only = f"is the only finished run{' that meets --where' if where else ''}, and compare needs two"
        raise InputError.of(str(runs[0].folder), only, hint)
    comparison = compare_runs(runs)
    if figure is not None:
        from ...engine.data.drawing import save
        from ...engine.evaluate.figures import draw_score_curves

        names = [f"{row['number']}: {_name(row)}" for row in comparison["runs"]]
        save(draw_score_curves(dict(zip(names, runs, strict=True))), figure)
        comparison["figure"] = str(figure)
    return comparison


def _print(comparison: Mapping[str, Any]) -> None:
    """The runs with their scores, then what differs: scores, settings, machine and libraries, code."""
    from ...results.tables import in_words
    from ..tables import Console, Text, print_settings

    console = Console()
    console.print(_runs(comparison["runs"], wide=console.width >= _WIDE))
    for table in comparison["scores"]:
        # Without a standard error it would only repeat the scores.
        known = any(row["standard_error"] is not None for row in table["settings"])
        if known and (len(table["settings"]) > 1 or len(table["settings"][0]["runs"]) > 1):
            print_settings(console, table["monitor"], table, "setting: runs")
    for pair in comparison["paired"]:
        console.print(Text(f"run {pair['other']} beside run {pair['best']}: {in_words(pair)}"), soft_wrap=True)
    if comparison["paired"]:
        text = "paired bootstrap over the images; what another seed would change is not in it"
        console.print(text, style="dim", highlight=False)
    titles = {"settings": "settings that differ", "computed_by": "machine and libraries that differ"}
    for part, title in titles.items():
        if comparison[part]:
            console.print(title, style="bold")
            console.print(_values(comparison[part]))
    if comparison["code"]:
        console.print("code that differs from that of run 1", style="bold")
    for number, sentences in comparison["code"].items():
        for sentence in sentences:
            console.print(Text(f"  run {number}: {sentence}"), soft_wrap=True)
    if not any(comparison[part] for part in (*titles, "code")):
        console.print("settings, machine, libraries and code are the same")
    if "figure" in comparison:
        console.print(Text(f"figure: {comparison['figure']}", style="dim"), soft_wrap=True)


def _name(row: Mapping[str, Any]) -> str:
    """What a run is called: a name that someone gave it, else the settings in which it differs."""
    dated = re.match(r"(demo-)?\d{4}-\d\d-\d\d", row["name"])
    return str(row["label"] or row["name"]) if dated else str(row["name"])


def _runs(rows: Sequence[Mapping[str, Any]], *, wide: bool) -> Table:
    from ..tables import Text, table_of

    recipes = ["recipe"] if len({row["recipe"] for row in rows}) > 1 else []
    speed = ["images/s>"] if wide else []
    table = table_of("#>", "run", *recipes, "best score>", "epoch>", "last>", *speed, "time>")
    for row in rows:
        status = "" if row["status"] == "done" else f" ({row['status']})"
        table.add_row(
            str(row["number"]),
            Text.assemble(_name(row), (status, "yellow")),
            *(row[name] for name in recipes),
            "none" if row["best"] is None else f"{row['monitor']} {row['best']:.4f}",
            f"{row['best_epoch'] or '-'}/{row['epochs']}",
            "" if row["last"] is None else f"{row['last']:.4f}",
            *["" if row["images_per_second"] is None else f"{row['images_per_second']:.1f}" for _ in speed],
            str(timedelta(seconds=round(row["seconds"]))),
        )
    return table


def _values(differing: Mapping[str, Sequence[Any]]) -> Table:
    """One row a path; runs of the same value are on one line."""
    from ..tables import Table, Text, as_yaml

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for path, values in differing.items():
        runs: dict[str, list[str]] = {}
        for number, value in enumerate(values, 1):
            runs.setdefault(as_yaml(value), []).append(str(number))
        lines = (f"run{'s' * (len(which) > 1)} {', '.join(which)}: {value}" for value, which in runs.items())
        table.add_row(Text(path), Text("\n".join(lines)))
    return table
