"""Runs side by side: everything in which they differ is said, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from runs import train

from registry.cli.compare import compare_folders as compare
from registry.errors import InputError
from registry.results.diff import ABSENT, differing
from registry.results.runs import compare_runs, read

SHORT = "trainer.epochs=1"


@pytest.fixture
def runs(stranger: None, recipe: Path, tmp_path: Path) -> Path:
    """Three runs: two seeds of one setting, and one with another loss and rate."""
    folder = tmp_path / "runs"
    train(recipe, folder / "tiny" / "a", SHORT)
    train(recipe, folder / "tiny" / "b", SHORT, "seed=1")
    train(recipe, folder / "tiny" / "c", SHORT, "loss=cross_entropy", "optimizer={use: adamw, lr: 1e-2}")
    return folder


def test_settings_that_differ_are_named_as_in_a_recipe(runs: Path, tmp_path: Path) -> None:
    told = compare([runs], tmp_path / "scores.png")
    assert [row["name"] for row in told["runs"]] == ["a", "b", "c"]
    assert told["settings"] == {
        "seed": [0, 1, 0],
        "loss": ["focal", "focal", "cross_entropy"],
        "optimizer.lr": [1e-3, 1e-3, 1e-2],
    }
    assert told["computed_by"] == {} and told["code"] == {}
    (scores,) = told["scores"]
    assert scores["monitor"] == "miou" and [row["name"] for row in scores["settings"]] == ["1, 2", "3"]
    pair = [row["best"] for row in told["runs"][:2]]
    assert scores["settings"][0]["mean"] == pytest.approx(sum(pair) / 2)
    assert scores["settings"][0]["error_from"] == "seeds" and scores["settings"][1]["standard_error"] is None
    assert Image.open(tmp_path / "scores.png").width > 700


def test_scores_that_are_not_numbers_are_left_out_of_the_figure(runs: Path, tmp_path: Path) -> None:
    """``metrics.jsonl`` has null for NaN."""
    metrics = runs / "tiny" / "a" / "metrics.jsonl"
    row = json.loads(metrics.read_text()) | {"miou": None}
    metrics.write_text(json.dumps(row) + "\n")
    compare([runs], tmp_path / "scores.png")
    assert (tmp_path / "scores.png").is_file()


def test_other_libraries_machines_and_code_are_told(runs: Path) -> None:
    other = runs / "tiny" / "b"
    environment = json.loads((other / "environment.json").read_text())
    environment["libraries"]["timm"] = "0.1"
    (other / "environment.json").write_text(json.dumps(environment))
    plan = json.loads((other / "plan.json").read_text())
    plan["trainer"]["arguments"]["model"]["arguments"]["backbone"]["version"] = "0.2"
    (other / "plan.json").write_text(json.dumps(plan))
    told = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert list(told["computed_by"]) == ["timm"] and told["computed_by"]["timm"][1] == "0.1"
    assert list(told["code"]) == [2] and "stranger-nets 0.2" in told["code"][2][0]
    assert "model.backbone" not in told["settings"]


def test_another_component_stands_for_all_below_it() -> None:
    def plan(name: str, **arguments: object) -> dict:
        backbone = {"use": name, "arguments": arguments}
        model = {"use": "net", "arguments": {"backbone": backbone}}
        return {"trainer": {"use": "t", "arguments": {"model": model, "mixup": 0.1}}, "loop": {"epochs": 3}}

    assert differing([plan("a", width=1), plan("b", width=2, depth=3)]) == {"model.backbone": ["a", "b"]}
    assert differing([plan("a", width=1), plan("a", width=2, depth=3)]) == {
        "model.backbone.depth": [ABSENT, 3],
        "model.backbone.width": [1, 2],
    }
    changed = plan("a")
    changed["trainer"]["arguments"]["mixup"], changed["loop"] = 0.2, {"epochs": 4}
    assert differing([plan("a"), changed]) == {"trainer.epochs": [3, 4], "trainer.mixup": [0.1, 0.2]}


def test_where_code_comes_from_is_no_setting_but_an_argument_of_such_a_name_is() -> None:
    def plan(told: str) -> dict:
        own = {"kind": told, "version": told, "target": told, "distribution": told, "provenance": {"source": told}}
        model = {"use": "net", **own, "arguments": {"kind": told, "version": told}}
        return {"model": model, "trainer": {"use": "t", **own, "arguments": {}}}

    assert list(differing([plan("a"), plan("b")])) == ["model.kind", "model.version"]


def test_scores_on_other_data_are_not_held_against_one_another(runs: Path) -> None:
    plan = json.loads((runs / "tiny" / "b" / "plan.json").read_text())
    plan["data"]["arguments"]["root"] = "elsewhere"
    (runs / "tiny" / "b" / "plan.json").write_text(json.dumps(plan))
    told = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert [[row["name"] for row in table["settings"]] for table in told["scores"]] == [["1", "3"], ["2"]]
    summary = json.loads((runs / "tiny" / "c" / "summary.json").read_text())
    (runs / "tiny" / "c" / "summary.json").write_text(json.dumps({**summary, "status": "stopped"}))
    told = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert [[row["name"] for row in table["settings"]] for table in told["scores"]] == [["1"], ["2"]]


def test_what_is_no_run_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        compare([tmp_path / "nothing", runs], None)
    with pytest.raises(InputError, match="only finished run"):
        compare([runs / "tiny" / "a", runs / "tiny" / "a"], None)
    (runs / "tiny" / "b" / "summary.json").unlink()
    with pytest.raises(InputError, match=r"has no summary\.json\n.*not ended yet"):
        compare([runs / "tiny" / "a", runs / "tiny" / "b"], None)
    with pytest.raises(InputError, match="is not a PNG"):
        compare([runs / "tiny" / "a", runs / "tiny" / "c"], tmp_path / "scores.pdf")


def test_the_command_prints_tables_and_json(runs: Path, hw1cli) -> None:
    said = hw1cli("compare", runs / "tiny" / "a", runs / "tiny" / "c").stdout
    assert "optimizer.lr" in said and "run 2: 0.01" in said and "miou" in said
    told = json.loads(hw1cli("compare", runs, "--json").stdout)
    assert len(told["runs"]) == 3 and told["settings"]["seed"] == [0, 1, 0]
