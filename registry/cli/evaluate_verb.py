"""``evaluate``: scores, tables and figures of a run, or of predictions in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ..engine.evaluate.report import Evaluation

#: A table shows so many classes; all of them are in the files.
_MOST_CLASSES = 60


def evaluate_run(run: Path, *, out: Path | None, console: Console, tables: bool, **options: Any) -> dict[str, Any]:
    """Evaluate a run and write what was found; see ``registry.engine.evaluate.run.evaluate_run`` for what it raises.

    Args:
        run: the run folder.
        out: the folder to write; ``RUN/evaluation/<split>`` when None, with the names of other data or weights.
        console: where progress is shown.
        tables: whether to show the scores there too.
        options: the further attributes of ``registry.engine.evaluate.run.RunQuestion``.

    Returns:
        What ``scores.json`` holds, and ``files``.
    """
    data, last = options.get("data"), options.get("checkpoint") == "last"
    parts = [options.get("split", "val"), *([data.resolve().name] if data else []), *(["last"] if last else [])]
    folder = out or run / "evaluation" / "-".join(parts)
    from ..engine.evaluate.report import require_writable
    from ..engine.evaluate.run import RunQuestion, evaluate_run

    require_writable(folder)
    return _finish(evaluate_run(RunQuestion(run, **options), console), folder, console, tables)


def compare(
    *,
    like: Path | None = None,
    classes: str | None = None,
    ignored_pixels: str | None = None,
    out: Path | None,
    console: Console,
    tables: bool,
    **options: Any,
) -> dict[str, Any]:
    """Compare predictions with the truth; see ``registry.engine.evaluate.files.compare`` for what it raises.

    Args:
        like: a run folder that tells the classes.
        classes: the classes in words; see ``registry.engine.data.classes.parse_classes``.
        ignored_pixels: ``leave_out`` or ``count_against``.
        out: the folder to write; ``evaluation`` here when None.
        console: where progress is shown.
        tables: whether to show the scores there too.
        options: the further attributes of ``registry.engine.evaluate.files.Question``.

    Returns:
        What ``scores.json`` holds, and ``files``.
    """
    from ..engine.data.classes import parse_classes
    from ..engine.evaluate.files import Question, compare, known_from_run
    from ..engine.evaluate.report import require_writable

    folder = out or Path("evaluation")
    require_writable(folder)
    known = known_from_run(like) if like is not None else parse_classes(classes) if classes is not None else None
    question = Question(**options, known=known, count_against=ignored_pixels == "count_against")
    return _finish(compare(question, console), folder, console, tables)


def _finish(found: Evaluation, folder: Path, console: Console, tables: bool) -> dict[str, Any]:
    from ..engine.evaluate.report import write

    files = write(found, folder)
    told = found.as_json()
    if tables:
        _show(found.title, told, console)
        console.print(Text(f"written to {folder}: {', '.join(file.name for file in files)}"), soft_wrap=True)
    return {**told, "files": [str(file) for file in files]}


def _show(title: str, told: Mapping[str, Any], console: Console) -> None:
    console.print(Text(f"{title}: {told['images']} images", style="bold"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("score")
    table.add_column("", justify="right")
    for name, value in told["scores"].items():
        if "/" not in name or name.startswith("constant/"):
            table.add_row(Text(name), _figure(value))
    console.print(table)
    if told["kind"] is not None:
        console.print(_by_class(told))
    for note in told["notes"]:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def _by_class(told: Mapping[str, Any]) -> Table:
    masks = told["kind"] == "masks"
    figures = {"IoU": "iou", "Dice": "dice"} if masks else {"F1": "dice"}
    figures |= {"precision": "precision", "recall": "recall"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for heading in figures:
        table.add_column(heading, justify="right")
    table.add_column("of the truth" if masks else "images", justify="right")
    ignored = told["ignored"]
    # An ignored class whose pixels are forgotten has no figures to show.
    classes = {
        name: own
        for name, own in told["classes"].items()
        if name != ignored or (own["truth"] and told["ignored_pixels"] == "count_against")
    }
    total = max(sum(own["truth"] for own in classes.values()), 1)
    for name, own in list(classes.items())[:_MOST_CLASSES]:
        label = Text(name if own["in_mean"] else f"{name} (not in the means)", style="" if own["in_mean"] else "dim")
        share = f"{own['truth'] / total:.1%}" if masks else str(own["truth"])
        table.add_row(label, *(_figure(own[key]) for key in figures.values()), share)
    if len(classes) > _MOST_CLASSES:
        table.caption = f"and {len(classes) - _MOST_CLASSES} more classes, in scores.json"
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
