"""Run folders read back without what computed them: their figures, and what makes one differ from the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..catalog import provenance
from ..errors import InputError
from . import diff, statistics
from .statistics import Result, Setting

#: The files that a run is known by, and how deep below a folder it lies at most: runs/RECIPE/study/RUN.
_PLAN, _SUMMARY, _DEEPEST = "plan.json", "summary.json", 4
#: Sections of a recipe that say what a run is scored on.
_DATA: Final = ("data", "probe", "split")
#: Parts of ``environment.json`` that decide what is computed, and how fast.
_ENVIRONMENT: Final = ("python", "platform", "processors", "torch_threads", "gpus")
_COMPUTED: Final = ("device", "precision", "memory_format")


@dataclass(frozen=True)
class FinishedRun:
    """What a run folder tells.

    Args:
        folder: the run's.
        summary: of ``summary.json``: scores, seconds, status.
        plan: of ``plan.json``: every component with its arguments and its origin.
        environment: of ``environment.json``: machine and libraries.
        rows: of ``metrics.jsonl``: one an epoch.
    """

    folder: Path
    summary: Mapping[str, Any]
    plan: Mapping[str, Any]
    environment: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    @property
    def recipe(self) -> str:
        return Path(self.summary["recipe"]).stem + (" (demo)" if self.summary["demo"] else "")

    @property
    def monitor(self) -> str:
        return str(self.summary["monitor"])

    @property
    def score(self) -> float | None:
        """The monitored score of the best epoch; None where nothing was evaluated."""
        found: float | None = self.summary["best"].get(self.monitor)
        return found

    @property
    def computed_by(self) -> dict[str, Any]:
        """Machine, precision and libraries."""
        told = {name: self.environment.get(name) for name in _ENVIRONMENT}
        told |= {name: self.summary.get(name) for name in _COMPUTED}
        return told | dict(self.environment.get("libraries", {}))


def read(folder: Path) -> FinishedRun:
    """Read a run folder.

    Raises:
        InputError: it holds no run that was finished or stopped, or files of it are damaged.
    """
    try:
        summary, plan, environment = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in (_SUMMARY, _PLAN, "environment.json")
        )
        metrics = folder / "metrics.jsonl"
        lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.exists() else []
        return FinishedRun(folder, summary, plan, environment, [json.loads(line) for line in lines if line])
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        begun = missing == _SUMMARY and (folder / _PLAN).is_file()
        hint = "it has not ended yet" if begun else "name folders that 'hw1cli run' has written"
        raise InputError.of(str(folder), f"is no finished run: it has no {missing}", hint) from error
    except (OSError, ValueError) as error:
        raise InputError.of(str(folder), f"cannot be read: {error}") from error


def below(folder: Path) -> list[Path]:
    """The folder itself where it is a run's, else the finished runs in it, by name."""
    if (folder / _SUMMARY).is_file() or (folder / _PLAN).is_file():
        return [folder]
    return sorted(_below(folder, _DEEPEST))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if (entry / _SUMMARY).is_file():
            yield entry
        elif depth > 1 and entry.is_dir() and not (entry / _PLAN).is_file():
            yield from _below(entry, depth - 1)


def contrast(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """What makes runs differ, and in what they differ.

    Returns:
        ``scores`` (for each score and data set ``monitor`` and what ``statistics.compare`` tells of the runs; those
        that differ in the seed alone are one setting), ``settings`` and ``computed_by`` (path -> a value a run), and
        ``code`` (number of the run -> sentences on code that is not that of the first run). Runs are numbered from 1.
    """
    plans = [run.plan for run in runs]
    machines = [run.computed_by for run in runs]
    names = sorted({name for each in machines for name in each})
    found = {name: [each.get(name) for each in machines] for name in names}
    return {
        "scores": _scores(runs),
        "settings": diff.differing(plans),
        "computed_by": {name: values for name, values in found.items() if any(v != values[0] for v in values)},
        "code": {
            number: told for number, plan in enumerate(plans[1:], 2) if (told := provenance.differences(plans[0], plan))
        },
    }


def _scores(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    # A run that was stopped has learned less than its setting says.
    scored = [n for n, run in enumerate(runs) if run.score is not None and run.summary["status"] == "done"]
    tables = []
    for comparable in _grouped(scored, lambda one, other: _on_the_same_data(runs[one], runs[other])):
        monitor = runs[comparable[0]].monitor
        settings = [
            Setting(", ".join(str(number + 1) for number in group), monitor, tuple(_result(runs[n], n) for n in group))
            for group in _grouped(comparable, lambda one, other: _but_for_the_seed(runs[one], runs[other]))
        ]
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


def _on_the_same_data(one: FinishedRun, other: FinishedRun) -> bool:
    differing = diff.differing([one.plan, other.plan])
    return one.monitor == other.monitor and not any(path.split(".")[0] in _DATA for path in differing)


def _but_for_the_seed(one: FinishedRun, other: FinishedRun) -> bool:
    return diff.differing([one.plan, other.plan]).keys() == {"seed"}


def _result(run: FinishedRun, number: int) -> Result:
    assert run.score is not None
    return Result(str(number + 1), run.score, run.summary["evaluation_images"], run.summary["seed"])
