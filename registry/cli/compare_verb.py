"""``compare``: runs side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..results.runs import FinishedRun, below, contrast, read


def compare(paths: Sequence[Path], figure: Path | None) -> dict[str, Any]:
    """Hold finished runs against one another.

    Args:
        paths: run folders, or folders that hold some.
        figure: a PNG to write, of the monitored scores over the epochs.

    Returns:
        ``runs`` (number, name, recipe, status, epochs, monitor, best, best_epoch, last, seconds, images_per_second,
        folder) and what ``finished_runs.contrast`` tells.

    Raises:
        InputError: fewer than two runs, or one that is not finished.
    """
    folders = list(dict.fromkeys(folder for path in paths for folder in _runs_in(path)))
    if len(folders) < 2:
        problem = "is the only finished run" if folders else "holds no finished run"
        where = str(folders[0] if folders else paths[0])
        raise InputError.of(where, problem, "compare takes two runs or more, or a folder that holds them")
    runs = [read(folder) for folder in folders]
    told = {"runs": _rows(runs), **contrast(runs)}
    if figure is not None:
        from ..engine.evaluate.courses import draw
        from ..engine.evaluate.drawing import save

        require_png(figure)
        save(
            draw({f"{row['number']}: {row['name']}": run for row, run in zip(told["runs"], runs, strict=True)}), figure
        )
        told["figure"] = str(figure)
    return told


def require_png(path: Path) -> None:
    """Raises InputError: a figure cannot be written there."""
    if path.suffix.lower() != ".png":
        raise InputError.of(str(path), "is no PNG", f"name it {path.with_suffix('.png').name}")
    if not path.parent.is_dir():
        raise InputError.of(str(path.parent), "is no folder")


def _runs_in(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError.of(str(path), "is not there", "runs are in runs/RECIPE/DATE")
    found = below(path)
    if not found:
        raise InputError.of(str(path), "holds no finished run")
    return found


def _rows(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    above = Path(os.path.commonpath([run.folder.resolve().parent for run in runs]))
    return [
        {
            "number": number,
            "name": run.folder.resolve().relative_to(above).as_posix(),
            "recipe": run.recipe,
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
