"""What a study leaves: a table of its settings, and the page that its recipe describes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import Hw1Error, InputError, printable
from ....results.runs import read_if_done, read_object

if TYPE_CHECKING:
    from rich.console import Console

    from ....recipe.plan import Plan
    from ....results.statistics import Result


def summarize(study: Sequence[Plan], folder: Path, console: Console, failures: Mapping[str, Exception]) -> None:
    """Write and show the scores of the settings, for each monitored score, and which runs failed."""
    from .... import files
    from ....results.statistics import Setting, compare
    from ...tables import Text, print_settings, table_of

    grouped: dict[str, dict[str, list[Result]]] = {}
    for plan in study:
        finished = read_if_done(folder / plan.recipe.title)
        if finished is not None and (result := finished.result(plan.recipe.title)) is not None:
            grouped.setdefault(finished.monitor, {}).setdefault(plan.recipe.setting, []).append(result)
    comparisons = {}
    for monitor, settings in grouped.items():
        comparisons[monitor] = compare([Setting(name, monitor, tuple(found)) for name, found in settings.items()])
        print_settings(console, monitor, comparisons[monitor])
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "study.json", comparisons)
    if failures:
        table = table_of("run that failed", "reason")
        for name, error in failures.items():
            table.add_row(Text(name), Text(printable(str(error))))
        console.print(table)
    _keep_out_of_fold(study, folder, console)
    console.print(f"runs and study.json: {folder}", markup=False, highlight=False)


def _keep_out_of_fold(study: Sequence[Plan], folder: Path, console: Console) -> None:
    """Write the out-of-fold predictions of every setting and seed of which all folds are finished."""

    folds: dict[str, dict[int, Path]] = {}
    for plan in study:
        if plan.split is not None and plan.split.fold is not None:
            name = re.sub(r"_?(split\.)?fold=\d+$", "", plan.recipe.title)
            folds.setdefault(name, {})[plan.split.fold] = folder / plan.recipe.title
    for name, runs in folds.items():
        table = folder / ("_".join(filter(None, ("out_of_fold", name))) + ".csv")
        if not all(map(read_if_done, runs.values())):
            continue
        ended = max((run / "summary.json").stat().st_mtime for run in runs.values())
        if not table.with_suffix(".json").is_file() or table.with_suffix(".json").stat().st_mtime < ended:
            from ....engine.evaluate.out_of_fold import write

            try:
                write(runs, table, console)
            except Hw1Error as error:  # such as of a pre-training, which has no predictions
                console.print(f"no out-of-fold predictions: {error}", style="yellow", markup=False)
                continue
        scores = read_object(table.with_suffix(".json"))["scores"]
        shown = ", ".join(f"{score} {value:.4f}" for score, value in scores.items() if value is not None)
        console.print(f"out-of-fold predictions: {table}, {shown}", markup=False, highlight=False)


def write_page(folder: Path, console: Console) -> None:
    """Write the page that the recipe describes; what keeps it from being written does not fail the study."""
    from ..report import write_report

    try:
        console.print(f"page: {write_report((folder,))}", markup=False, highlight=False)
    except InputError as error:
        console.print(f"no page: {error}", style="yellow", markup=False)
