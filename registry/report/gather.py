"""Run folders -> everything that a page shows, as plain data."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..catalog import provenance
from ..results.runs import FinishedRun, compare_runs
from . import figures
from .pictures import Room

#: Columns of an epoch's row that the page does not offer as a curve.
_NO_CURVES: Final = ("epoch",)
#: What is read of each run, with its heading, in the page's order.
PARTS: Final[Mapping[str, str]] = {
    "architecture": "Architecture",
    "classes": "Classes",
    "confusion": "Confusion matrix",
    "maps": "Maps of the penultimate layer",
    "masks": "Masks while training",
    "worst": "Worst predictions",
    "calibration": "Calibration",
}
#: What writes a part where it is missing.
WRITERS: Final[Mapping[str, str]] = {
    "architecture": "the report `architecture`",
    "confusion": "the report `confusion_matrix`, or `hw1cli evaluate RUN`",
    "maps": "the reports `pca` and `tsne`",
    "masks": "the report `mask_stages`",
    "worst": "the report `confusion_matrix`, or `hw1cli evaluate RUN`",
    "calibration": "the report `confusion_matrix`, or `hw1cli evaluate RUN`, of a classifier",
}


@dataclass
class Shown:
    """A run as the page shows it.

    Attributes:
        number: from 1.
        name: among the runs of the page.
        run: its folder, read.
        row: of ``results.runs.compare_runs``.
        recipe: the text of ``recipe.yaml``.
        components: path, name, distribution with version, origin and hash of the source of each component.
        parts: by the keys of ``PARTS``; see ``figures``. None or empty where there is nothing.
        notes: what could not be read.
    """

    number: int
    name: str
    run: FinishedRun
    row: Mapping[str, Any]
    recipe: str = ""
    components: Sequence[Mapping[str, str]] = ()
    parts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def score(self) -> str:
        """The best score, for a reader."""
        return "no score" if self.run.score is None else f"{self.run.monitor} {self.run.score:.4f}"

    @property
    def command(self) -> str:
        """What does the run again, in a folder of its own; for one of a study, what does the whole study."""
        _, *words = self.run.environment.get("command") or [""]
        if not words or words[0] not in ("run", "sweep"):  # it was started from Python
            words = ["run", str(self.run.folder / "recipe.yaml")]
        kept = [word for at, word in enumerate(words) if not {word, words[at - 1]} & {"--out", "--member"}]
        return shlex.join(["hw1cli", *(word for word in kept if word not in ("--resume", "--worker"))])

    @property
    def missing(self) -> list[str]:
        """What writes the sections that this run lacks, in sentences."""
        return [f"{part.capitalize()}: written by {by}." for part, by in WRITERS.items() if not self.parts[part]]

    @property
    def costs(self) -> dict[str, str]:
        """Time, speed and size."""
        summary, environment = self.run.summary, self.run.environment
        seconds = sum(row.get("seconds", 0) for row in self.run.rows)
        parameters, speed = environment.get("parameters"), summary["images_per_second"]
        machine = ", ".join(map(str, environment.get("gpus") or [])) or f"{environment.get('processors')} processors"
        computed = ", ".join(str(summary.get(key)) for key in ("device", "precision", "memory_format"))
        return {
            "time in all": duration(summary["wall_seconds"]),
            "of it in training steps": duration(seconds),
            "training images per second": "unknown" if speed is None else f"{speed:.1f}",
            "epochs": f"{len(self.run.rows)} of {summary['epochs']}",
            "parameters": "unknown" if parameters is None else f"{parameters:,}",
            "computed on": f"{computed}; {machine}",
        }

    @property
    def curves(self) -> dict[str, Any]:
        """Name, best epoch, and the columns of ``metrics.jsonl``; None where a row has no finite value."""
        rows = self.run.rows
        names = list(dict.fromkeys(name for row in rows for name in row if name not in _NO_CURVES))
        # A figure of one class of many is in the table of classes.
        names = [name for name in names if "/" not in name]
        columns = {name: [finite(row.get(name)) for row in rows] for name in names}
        best = {"best_epoch": self.run.summary["best_epoch"], "monitor": self.run.monitor}
        return {"name": self.name, **best, "epochs": [row["epoch"] for row in rows], "columns": columns}


@dataclass(frozen=True)
class Study:
    """What a page shows.

    Attributes:
        title: of the page.
        runs: in their order.
        comparison: of ``results.runs.compare_runs``.
        room: the pictures, and what did not fit.
    """

    title: str
    runs: Sequence[Shown]
    comparison: Mapping[str, Any]
    room: Room


def gather(runs: Sequence[FinishedRun]) -> Study:
    """Read everything that the folders of runs hold; what is damaged becomes a note of its run.

    Args:
        runs: one or more.
    """
    comparison, room, shown = compare_runs(runs), Room(), []
    for run, row in zip(runs, comparison["runs"], strict=True):
        one = Shown(row["number"], row["name"], run, row)
        readers: dict[str, Callable[[], Any]] = {
            "classes": lambda run=run: figures.classes(run.folder, run.summary["best"]),  # type: ignore[misc]
            "architecture": lambda run=run: figures.architecture(run.folder),  # type: ignore[misc]
            "confusion": lambda run=run: figures.confusion(run.folder),  # type: ignore[misc]
            "maps": lambda run=run: figures.maps(run.folder, room),  # type: ignore[misc]
            "masks": lambda run=run: figures.masks(run.folder, room),  # type: ignore[misc]
            "worst": lambda run=run: figures.worst(run.folder, room),  # type: ignore[misc]
            "calibration": lambda run=run: figures.probabilities(run.folder),  # type: ignore[misc]
        }
        for part, read in readers.items():
            one.parts[part] = None
            try:
                one.parts[part] = read()
            except (OSError, ValueError, KeyError, TypeError) as error:
                one.notes.append(f"The files of {part} cannot be read: {type(error).__name__}: {error}")
        recipe = run.folder / "recipe.yaml"
        one.recipe = recipe.read_text(encoding="utf-8") if recipe.is_file() else ""
        one.components = [_component(path, each) for path, each in provenance.components(run.plan)]
        shown.append(one)
    titles = dict.fromkeys(Path(run.summary["recipe"]).stem for run in runs)
    title = runs[0].folder.resolve().name if len(runs) == 1 else f"{len(runs)} runs"
    return Study(f"{', '.join(titles)}: {title}", shown, comparison, room)


def _component(path: str, recorded: Mapping[str, Any]) -> dict[str, str]:
    origin = recorded["provenance"].get("origin") or {}
    where = str(origin.get("url") or "a package index") + (f" at {origin['commit']}" if origin.get("commit") else "")
    return {
        "path": path,
        "use": str(recorded["use"]),
        "distribution": f"{recorded['distribution']} {recorded['version']}",
        "origin": where + (" (editable)" if origin.get("editable") else ""),
        "source": str(recorded["provenance"].get("source") or "not recorded"),
    }


def setting_name(study: Study, setting: Mapping[str, Any]) -> str:
    """A setting of ``statistics.compare``: the name of its run, or what the names of its runs have in common."""
    names = [study.runs[int(result["run"]) - 1].name for result in setting["runs"]]
    if len(names) == 1:
        return names[0]
    alike = os.path.commonprefix(names)  # noqa: RUF071  letter by letter is meant
    common = re.sub(r"[/_-]*(seed|fold)?[=_-]*$", "", alike)
    what = "seeds" if all(result["fold"] is None for result in setting["runs"]) else "folds"
    if what == "folds" and len({result["seed"] for result in setting["runs"]}) > 1:
        what = "runs of several seeds and folds"
    whole = f"{len(names)} {what}"
    return f"{common} ({whole})" if common else whole if what != "seeds" else ", ".join(names)


def finite(value: Any) -> Any:
    """The value; None in place of NaN and infinities."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """``5 s``, ``2 min 05 s``, ``1 h 02 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
