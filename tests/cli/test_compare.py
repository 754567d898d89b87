"""Runs side by side: everything in which they differ is reported, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from runs import train

from registry.cli.commands.compare import compare_folders as compare
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
    report = compare([runs], tmp_path / "scores.png")
    assert [row["name"] for row in report["runs"]] == ["a", "b", "c"]
    labels = ["lr=0.001, seed=0", "lr=0.001, seed=1", "lr=0.01, seed=0"]
    assert [row["label"] for row in report["runs"]] == labels
    assert report["settings"] == {
        "seed": [0, 1, 0],
        "loss": ["focal", "focal", "cross_entropy"],
        "optimizer.lr": [1e-3, 1e-3, 1e-2],
    }
    assert report["computed_by"] == {} and report["code"] == {}
    (scores,) = report["scores"]
    assert scores["monitor"] == "miou" and [row["name"] for row in scores["settings"]] == ["1, 2", "3"]
    pair = [row["best"] for row in report["runs"][:2]]
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


def test_other_libraries_and_code_are_listed(runs: Path) -> None:
    other = runs / "tiny" / "b"
    environment = json.loads((other / "environment.json").read_text())
    environment["libraries"]["timm"] = "0.1"
    (other / "environment.json").write_text(json.dumps(environment))
    plan = json.loads((other / "plan.json").read_text())
    plan["trainer"]["arguments"]["model"]["arguments"]["backbone"]["version"] = "0.2"
    (other / "plan.json").write_text(json.dumps(plan))
    report = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert list(report["computed_by"]) == ["timm"] and report["computed_by"]["timm"][1] == "0.1"
    assert list(report["code"]) == [2] and "stranger-nets 0.2" in report["code"][2][0]
    assert "model.backbone" not in report["settings"]


def test_a_different_component_hides_its_arguments() -> None:
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


def test_provenance_is_not_a_setting_but_an_argument_with_its_name_is() -> None:
    def plan(value: str) -> dict:
        own = {"kind": value, "version": value, "target": value, "distribution": value, "provenance": {"source": value}}
        model = {"use": "net", **own, "arguments": {"kind": value, "version": value}}
        return {"model": model, "trainer": {"use": "t", **own, "arguments": {}}}

    assert list(differing([plan("a"), plan("b")])) == ["model.kind", "model.version"]


def test_scores_on_different_data_are_not_compared(runs: Path) -> None:
    plan = json.loads((runs / "tiny" / "b" / "plan.json").read_text())
    plan["data"]["arguments"]["root"] = "elsewhere"
    (runs / "tiny" / "b" / "plan.json").write_text(json.dumps(plan))
    report = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert [[row["name"] for row in table["settings"]] for table in report["scores"]] == [["1", "3"], ["2"]]
    summary = json.loads((runs / "tiny" / "c" / "summary.json").read_text())
    (runs / "tiny" / "c" / "summary.json").write_text(json.dumps({**summary, "status": "stopped"}))
    report = compare_runs([read(runs / "tiny" / name) for name in "abc"])
    assert [[row["name"] for row in table["settings"]] for table in report["scores"]] == [["1"], ["2"]]


def test_folders_without_finished_runs_are_rejected(runs: Path, tmp_path: Path) -> None:
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
    output = hw1cli("compare", runs / "tiny" / "a", runs / "tiny" / "c").stdout
    assert "optimizer.lr" in output and "run 2: 0.01" in output and re.search(r"1 +a +miou .*\n 2 +c +miou", output)
    report = json.loads(hw1cli("compare", runs, "--json").stdout)
    assert len(report["runs"]) == 3 and report["settings"]["seed"] == [0, 1, 0]
