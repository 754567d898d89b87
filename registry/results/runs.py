"""Run folders read back without torch: their scores, and everything in which runs differ."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..catalog import provenance
from ..errors import InputError
from ..recipe.grammar import REPEATED
from . import diff, per_image, statistics
from .statistics import Result, Setting

#: The files that a run is recognised by, and how deep below a folder it is at most: runs/RECIPE/study/RUN.
_PLAN, _SUMMARY, _MACHINE, _DEEPEST = "plan.json", "summary.json", "environment.json", 4
#: What is read of ``summary.json``.
_SUMMARIZED: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("status", "recipe", "monitor"), (str,)),
    **dict.fromkeys(("best", "last"), (dict,)),
    **dict.fromkeys(("epochs", "seed", "evaluation_images"), (int,)),
    "demo": (bool,),
    "wall_seconds": (int, float),
    "best_epoch": (int, type(None)),
    "images_per_second": (int, float, type(None)),
}
#: Sections of a recipe that decide what a run is scored on.
_DATA: Final = ("data", "probe", "split")
#: Parts of ``environment.json`` and ``summary.json`` that decide what is computed, and how fast.
_ENVIRONMENT: Final = ("python", "platform", "processors", "torch_threads", "gpus")
_COMPUTED: Final = ("device", "precision", "memory_format")


@dataclass(frozen=True)
class FinishedRun:
    """What a run folder holds.

    Args:
        folder: the run's.
        summary: ``summary.json``: scores, seconds, status.
        plan: ``plan.json``: every component with its arguments and its origin.
        environment: ``environment.json``: machine and libraries.
        rows: ``metrics.jsonl``: one row an epoch, NaN where the file has null.
    """

    folder: Path
    summary: Mapping[str, Any]
    plan: Mapping[str, Any]
    environment: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    @property
    def monitor(self) -> str:
        """The name of the score that chooses the best epoch."""
        return str(self.summary["monitor"])

    @property
    def score(self) -> float | None:
        """The monitored score of the best epoch; None where nothing was evaluated."""
        return self.summary["best"].get(self.monitor)  # type: ignore[no-any-return]

    @property
    def fold(self) -> int | None:
        """The fold that the run holds out, from 1; None where it divides no data into folds."""
        return (self.plan.get("split") or {}).get("fold")  # type: ignore[no-any-return]

    @property
    def published(self) -> Mapping[str, float]:
        """Scores that others report for the recipe, by name."""
        return self.plan.get("published") or {}

    def result(self, name: str) -> Result | None:
        """The score under a name of the run; None without a score, or where the run stopped before its end."""
        if self.score is None or self.summary["status"] != "done":
            return None
        return Result(name, self.score, self.summary["evaluation_images"], self.summary["seed"], self.fold)


def read(folder: Path) -> FinishedRun:
    """Read a run folder.

    Raises:
        InputError: it holds no run that was finished or stopped, or its files are damaged.
    """
    for missing in (_SUMMARY, _PLAN, _MACHINE):
        if not (folder / missing).is_file():
            started = missing == _SUMMARY and (folder / _PLAN).is_file()
            hint = "the run has not ended yet" if started else "name folders that 'hw1cli run' has written"
            raise InputError.of(str(folder), f"is not a finished run: it has no {missing}", hint)
    summary, plan, environment = (read_object(folder / name) for name in (_SUMMARY, _PLAN, _MACHINE))
    for name, kinds in _SUMMARIZED.items():
        if not isinstance(summary.get(name), kinds):
            raise InputError.of(str(folder / _SUMMARY), f"is damaged: {name} is {summary.get(name)!r}")
    for name, value in {**summary["best"], **summary["last"]}.items():
        if not _is_figure(value):
            raise InputError.of(str(folder / _SUMMARY), f"is damaged: the score {name} is {value!r}")
    if not isinstance(environment.get("libraries", {}), dict):
        raise InputError.of(str(folder / _MACHINE), "is damaged: its libraries are not a JSON object")
    try:  # what cannot be compared with itself cannot be compared
        diff.differing([plan, plan])
        provenance.differences(plan, plan)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError.of(str(folder / _PLAN), f"is damaged: {type(error).__name__}: {error}") from error
    rows, torn = read_rows(folder / "metrics.jsonl")
    if torn is not None:
        raise InputError.of(str(folder / "metrics.jsonl"), torn, "'run --resume' of this folder repairs it")
    return FinishedRun(folder, summary, plan, environment, rows)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file of a run folder.

    Raises:
        InputError: it is missing, damaged, or something else than an object.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError.of(str(path), f"cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise InputError.of(str(path), f"is damaged: expected a JSON object, got {type(value).__name__}")
    return value


def read_rows(path: Path) -> tuple[list[dict[str, float]], str | None]:
    """The rows of ``metrics.jsonl``, NaN where it has null, and what is wrong with its last line, if that is torn.

    Raises:
        InputError: another line is damaged.
    """
    rows: list[dict[str, float]] = []
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not all(_is_figure(value) for value in row.values()) or "epoch" not in row:
                raise ValueError("expected a JSON object of numbers, with an epoch")
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                return rows, f"is damaged in line {number}, the last one: {error}"
            raise InputError.of(str(path), f"is damaged in line {number}: {error}") from error
        rows.append({name: math.nan if value is None else value for name, value in row.items()})
    return rows, None


def _is_figure(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def read_if_done(folder: Path) -> FinishedRun | None:
    """The run of a folder, or None where none has reached its end."""
    if not (folder / _SUMMARY).is_file():
        return None
    run = read(folder)
    return run if run.summary["status"] == "done" else None


def find_runs(path: Path) -> list[Path]:
    """The folder itself where it is a run's, else the finished runs in it, by name.

    Raises:
        InputError: there are none.
    """
    if not path.exists():
        raise InputError.of(str(path), "does not exist", "runs are in runs/RECIPE/DATE")
    if (path / _SUMMARY).is_file() or (path / _PLAN).is_file():
        return [path]

    def below(folder: Path, depth: int) -> Iterator[Path]:
        for entry in folder.iterdir() if folder.is_dir() else ():
            if (entry / _SUMMARY).is_file():
                yield entry
            elif depth > 1 and entry.is_dir() and not (entry / _PLAN).is_file():
                yield from below(entry, depth - 1)

    found = sorted(below(path, _DEEPEST))
    if not found:
        raise InputError.of(str(path), "contains no finished run")
    return found


def compare_runs(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """The scores of runs, and everything in which they differ. Runs are numbered from 1.

    Returns:
        ``runs`` (number, name, label: what sets it apart, recipe, status, epochs, monitor, best, best_epoch, last,
        seconds, images_per_second, folder), ``scores`` (for each score and data set ``monitor`` and the result of
        ``statistics.compare``; runs that differ in seed and fold alone are one setting), ``paired`` (``best``,
        ``other``: numbers of runs, and the result of ``per_image.paired``), ``settings`` and ``computed_by`` (path -> a
        value a run), and ``code`` (number of the run -> sentences on how its code differs from that of the first run).
    """
    plans, machines = [run.plan for run in runs], []
    for run in runs:
        machine = {name: run.environment.get(name) for name in _ENVIRONMENT}
        machine |= {name: run.summary.get(name) for name in _COMPUTED}
        machines.append(machine | dict(run.environment.get("libraries", {})))
    names = sorted({name for machine in machines for name in machine})
    values = {name: [machine.get(name) for machine in machines] for name in names}
    scores = _scores(runs)
    code = {number: provenance.differences(plans[0], plan) for number, plan in enumerate(plans[1:], 2)}
    differences = diff.differing(plans)
    labels = diff.labels(differences, len(runs))
    above = Path(os.path.commonpath([run.folder.resolve().parent for run in runs]))
    rows = [
        {
            "number": number,
            "name": run.folder.resolve().relative_to(above).as_posix(),
            "label": labels[number - 1],
            "recipe": Path(run.summary["recipe"]).stem + (" (demo)" if run.summary["demo"] else ""),
            "status": run.summary["status"],
            "epochs": run.summary["epochs"],
            "monitor": run.monitor,
            "best": run.score,
            "best_epoch": run.summary["best_epoch"],
            "last": run.summary["last"].get(run.monitor),
            "seconds": run.summary["wall_seconds"],
            "images_per_second": run.summary["images_per_second"],
            "folder": str(run.folder),
        }
        for number, run in enumerate(runs, 1)
    ]
    return {
        "runs": rows,
        "scores": scores,
        "paired": [pair for table in scores for pair in _paired(runs, table)],
        "settings": differences,
        "computed_by": {name: each for name, each in values.items() if any(value != each[0] for value in each)},
        "code": {number: sentences for number, sentences in code.items() if sentences},
    }


def _paired(runs: Sequence[FinishedRun], table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each run of a table of scores beside its best one, where both have scores of the same images."""
    results = [result for setting in table["settings"] for result in setting["runs"]]
    best, *others = sorted(results, key=lambda each: each["score"], reverse=not table["monitor"].endswith("loss"))
    for other in others:
        one, another = int(best["run"]), int(other["run"])
        if (found := per_image.paired(runs[one - 1].folder, runs[another - 1].folder)) is not None:
            yield {"best": one, "other": another, **found}


def _scores(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    def comparable(one: int, other: int) -> bool:
        differing = diff.differing([runs[one].plan, runs[other].plan])
        sections = {path.split(".")[0] for path in differing if path not in REPEATED}
        return runs[one].monitor == runs[other].monitor and sections.isdisjoint(_DATA)

    def repeated(one: int, other: int) -> bool:
        found = set(diff.differing([runs[one].plan, runs[other].plan]))
        return bool(found) and found <= set(REPEATED)

    # A run that was stopped has trained for less than its setting says.
    results = {number: result for number, run in enumerate(runs) if (result := run.result(str(number + 1)))}
    tables = []
    for numbers in _grouped(list(results), comparable):
        monitor, groups = runs[numbers[0]].monitor, _grouped(numbers, repeated)
        each = [tuple(results[number] for number in group) for group in groups]
        settings = [Setting(", ".join(result.run for result in found), monitor, found) for found in each]
        tables.append({"monitor": monitor, **statistics.compare(settings)})
    return tables


def _grouped(numbers: Sequence[int], alike: Callable[[int, int], bool]) -> list[list[int]]:
    """The numbers in groups, each of those that are like its first one."""
    groups: list[list[int]] = []
    for number in numbers:
        group = next((group for group in groups if alike(group[0], number)), None)
        if group is None:
            groups.append([number])
        else:
            group.append(number)
    return groups
