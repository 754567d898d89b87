"""``compare`` over folders: chosen by settings, as CSV, Markdown and JSON, with differences and their intervals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.cli.commands.compare import compare_folders
from registry.errors import InputError
from registry.results.tables import as_csv, as_markdown


def test_csv_has_a_row_a_run_with_its_settings_and_its_difference(trained: Path) -> None:
    found = compare_folders([trained / "digits"])
    small, wide = csv.DictReader(io.StringIO(as_csv(found)))
    assert (small["name"], small["model.width"], wide["model.width"]) == ("small", "4", "8")
    (pair,) = found["paired"]
    assert pair["images"] == 144 and pair["low"] <= pair["difference"] <= pair["high"]
    worse, best = (small, wide) if pair["best"] == 2 else (wide, small)
    assert best["to_best"] == "" and best["paired"] == ""
    assert float(worse["to_best"]) == pytest.approx(float(worse["best"]) - float(best["best"])) and worse["paired_low"]
    markdown = as_markdown(found).splitlines()
    assert len(markdown) == 4 and len({line.count("|") for line in markdown}) == 1
    assert sum("**" in line for line in markdown) == 1, "the best score is bold"


def test_conditions_choose_runs(trained: Path, hw1cli: Callable) -> None:
    chosen = compare_folders([trained], where=["model=resnet*", "trainer.epochs=2"])
    assert [row["name"] for row in chosen["runs"]] == ["small", "wide"]
    done = hw1cli("compare", trained, "--where", "model.use=resnet18", "--json")
    assert [row["name"] for row in json.loads(done.stdout)["runs"]] == ["small", "wide"]
    assert hw1cli("compare", trained, "--csv").stdout.startswith("number,name,recipe,")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("model", "expected PATH=PATTERN"),
        ("modl=resnet18", "no run has a setting 'modl'"),
        ("model=vit*", "no run meets model=vit*"),
        ("model.width=8", "only finished run that meets --where"),
    ],
)
def test_a_condition_that_chooses_nothing_is_an_error(trained: Path, condition: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        compare_folders([trained], where=[condition])
    assert message in str(caught.value)
