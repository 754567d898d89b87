"""A run that is watched: what decides after every evaluation whether it goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console

from registry.catalog.registry import Registry
from registry.engine.train.session import execute_unfinished
from registry.recipe.request import Request, planned


def test_a_run_ends_where_its_watcher_says_so_and_can_go_on(stranger: None, shapes: Path, tmp_path: Path) -> None:
    plan, out, seen = planned(Request(shapes), Registry()), tmp_path / "run", []

    def watch(run, score: float) -> bool:
        seen.append((run.position.epoch, round(score, 6)))
        return run.position.epoch < 2

    with open(os.devnull, "w") as nowhere:
        execute_unfinished(plan, Console(file=nowhere), out, watch=watch)
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert seen == [(row["epoch"], round(row["accuracy"], 6)) for row in rows] and len(rows) == 2
        assert json.loads((out / "summary.json").read_text())["status"] == "pruned"
        execute_unfinished(plan, Console(file=nowhere), out, watch=watch)
    # The last epoch ends a run as always, whatever its watcher makes of it.
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert json.loads((out / "summary.json").read_text())["status"] == "done"
