"""Checking a recipe: everything at once, with line and hint, and nothing written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest

from registry.catalog.registry import Registry
from registry.errors import InputError, Problem
from registry.recipe.dump import dump
from registry.recipe.load import load
from registry.recipe.planner import make_plan
from registry.recipe.request import Request, every_problem, planned

SEVEN = """\
trainer: {use: segmentation, epochs: many, batchsize: 8}
data: {use: landcover, root: ${data.rot}}
model: {use: focal}
loss: {use: focal, gamma: 2.0, gamma: 3.0}
optimizer: {use: adamv}
schedule: {use: step}
"""


def problems_of(tmp_path: Path, text: str) -> list[Problem]:
    path = tmp_path / "recipe.yaml"
    path.write_text(dedent(text))
    return every_problem(Request(path), Registry())


def test_seven_problems_are_reported_at_once(tmp_path: Path, hw1cli) -> None:
    (tmp_path / "bad.yaml").write_text(SEVEN)
    before = sorted(tmp_path.rglob("*"))
    answer = hw1cli("check", tmp_path / "bad.yaml", "--json", cwd=tmp_path)
    report = json.loads(answer.stdout)
    assert answer.returncode == 2 and report["ok"] is False
    found = {(problem["path"], problem["line"]) for problem in report["problems"]}
    assert found == {
        ("trainer.epochs", 1),  # wrong type
        ("trainer.batchsize", 1),  # unknown key
        ("data.root", 2),  # bad reference
        ("model", 3),  # a loss where a model belongs
        ("loss.gamma", 4),  # duplicate key
        ("optimizer", 5),  # misspelt component
        ("schedule.at", 6),  # missing value
    }
    by_path = {problem["path"]: problem for problem in report["problems"]}
    assert "batch_size" in by_path["trainer.batchsize"]["hint"]
    assert "adamw" in by_path["optimizer"]["hint"]
    assert "data.root" in by_path["data.root"]["hint"]
    assert "a loss" in by_path["model"]["message"]
    assert all(problem["hint"] for problem in report["problems"])
    run = hw1cli("run", tmp_path / "bad.yaml", "--out", tmp_path / "out", cwd=tmp_path)
    assert run.returncode == 2 and "7 problems" in run.stderr
    assert sorted(tmp_path.rglob("*")) == before


GOOD = """\
trainer: {use: segmentation, epochs: 2}
data: {use: landcover, root: .}
model: {use: smp/unet, backbone: {use: timm/resnet18}}
loss: focal
"""


@pytest.mark.parametrize(
    ("old", "new", "path", "word"),
    [
        ("loss: focal", "loss: {gamma: 2}", "loss", "use: NAME"),
        ("loss: focal", "loss: {use: focal, gamma: -1}", "loss.gamma", "at least 0"),
        ("loss: focal", 'loss: {use: focal, gamma: "2.0"}', "loss.gamma", "without quotes"),
        ("loss: focal", "loss: {use: focal, gamma: }", "loss.gamma", "no value"),
        ("loss: focal", "", "loss", "is missing"),
        ("loss: focal", "loss: focal\nlos: 3", "los", "'loss'"),
        ("epochs: 2", "epochs: 2.0", "trainer.epochs", "write 2"),
        ("epochs: 2", "epochs: true", "trainer.epochs", "int"),
        ("loss: focal", "loss: focal\nseed: 1.5", "seed", "everything random"),
        ("epochs: 2", "epochs: 0", "trainer.epochs", "at least 1"),
        ("smp/unet", "smp/unett", "model", "smp/unet"),
        ("timm/resnet18", "timm/resnet81", "model.backbone", "timm/resnet"),
        ("timm/resnet18", "mobilenetv3_small_100", "model.backbone", "timm/mobilenetv3_small_100"),
        ("use: landcover", "use: 13", "data", "name of a dataset"),
        ("segmentation", "segmentatoin", "trainer", "segmentation"),
        ("root: .", "root: no/such/folder", "data.root", "no/such/folder"),
        ("epochs: 2", "epochs: 2, model: focal", "trainer.model", "section of its own"),
        ("loss: focal", "loss: focal\naugment: {trian: []}", "augment.trian", "'train'"),
        ("loss: focal", "loss: focal\naugment: {train: focal}", "augment.train", "list"),
        ("loss: focal", "loss: focal\nruntime: {device: gpu}", "runtime.device", "'cuda'"),
        ("loss: focal", "loss: focal\nreports: [{use: mask_stages, at: [soon]}]", "reports.0.at.0", "soon"),
        (
            "loss: focal",
            "loss: focal\nreports: [{use: mask_stages, images: []}, x]",
            "reports.1",
            "no installed plugin",
        ),
    ],
)
def test_a_problem_is_reported_with_its_path_and_hint(tmp_path: Path, old: str, new: str, path: str, word: str) -> None:
    assert problems_of(tmp_path, GOOD) == []
    problems = problems_of(tmp_path, GOOD.replace(old, new))
    assert [problem.path for problem in problems] == [path]
    assert word in f"{problems[0].message} {problems[0].hint}"


def test_every_wrong_epoch_of_a_report_is_reported(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD + "reports: [{use: mask_stages, images: [], at: [soon, 1, later, 200%]}]\n")
    assert [problem.path for problem in problems] == ["reports.0.at.0", "reports.0.at.2", "reports.0.at.3"]


@pytest.mark.parametrize("section", ["split", "optimizer", "schedule", "augment", "reports", "runtime", "seed", "make"])
def test_null_leaves_an_optional_section_out(tmp_path: Path, section: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD)
    plans = [planned(Request(path, sets), Registry()).as_json() for sets in ([], [f"{section}=null"])]
    assert plans[0] == plans[1]


def test_thousands_of_problems_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD + "".join(f"unknown{at}: 1\n" for at in range(20_000)))
    assert len(problems) == 101 and problems[0].path == "unknown0"
    assert "19,900 more problems" in problems[-1].message


@pytest.mark.parametrize(
    ("old", "new", "path", "word"),
    [
        ("epochs: 2", f"epochs: 2, batch_size: {'9' * 400}", "trainer.batch_size", "64 bits"),
        ("root: .", f"root: {'x' * 5000}", "data.root", "does not exist"),
        ("trainer:", "extends: fifo\ntrainer:", "extends", "not a regular file"),
    ],
    ids=["a number of 400 digits", "a root of 5,000 characters", "a FIFO"],
)
def test_impossible_files_and_numbers_are_problems(tmp_path: Path, old: str, new: str, path: str, word: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (problem,) = problems_of(tmp_path, GOOD.replace(old, new))
    assert problem.path == path and word in problem.message


def test_problems_of_the_demo_are_reported(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD + "demo: {trainer: {epochz: 1}}\n")
    assert [(problem.path, problem.line) for problem in problems] == [("trainer.epochz", 5)]


def test_the_demo_replaces_only_the_recipes_own_root(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD.replace("root: .", "root: absent") + "demo: {make: landcover, trainer: {epochs: 1}}\n")
    plan = planned(Request(path), Registry())
    assert plan.recipe.demo and plan.make is not None and plan.loop.epochs == 1
    with pytest.raises(InputError, match="folder 'elsewhere' does not exist"):
        planned(Request(path, sets=["data.root=elsewhere"]), Registry())


def test_a_plan_shows_every_argument_and_reads_itself_back(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD)
    plan = make_plan(load(path, sets=["optimizer={use: adamw, lr: 1e-4}"]), Registry())
    shown = plan.as_json()
    assert shown["optimizer"]["arguments"]["lr"] == 1e-4
    assert shown["optimizer"]["arguments"]["betas"] == [0.9, 0.999]
    assert shown["trainer"]["arguments"]["model"]["arguments"]["backbone"]["use"] == "timm/resnet18"
    assert {row.name for row in plan.components()} >= {"segmentation", "smp/unet", "timm/resnet18", "focal", "miou"}
    (tmp_path / "again.yaml").write_text(dump(plan.recipe.root.plain()))
    assert make_plan(load(tmp_path / "again.yaml"), Registry()).as_json() == shown


def test_a_broken_plugin_is_reported_with_the_other_problems(tmp_path: Path, install, hw1cli) -> None:
    install("crasher", {"backbones/crashy": "crasher:net"}, {"crasher.py": "raise RuntimeError('boom')\n"})
    (tmp_path / "bad.yaml").write_text(GOOD.replace("{use: timm/resnet18}", "crashy").replace("focal", "fokal"))
    answer = hw1cli("check", tmp_path / "bad.yaml", "--json")
    report = json.loads(answer.stdout)["problems"]
    assert answer.returncode == 2 and [problem["path"] for problem in report] == ["model.backbone", "loss"]
    (tmp_path / "bad.yaml").write_text(GOOD.replace("{use: timm/resnet18}", "crashy"))
    answer = hw1cli("check", tmp_path / "bad.yaml", "--json")
    assert answer.returncode == 3 and "boom" in json.loads(answer.stdout)["problems"][0]["message"]


def test_a_missing_root_is_reported_with_the_other_problems(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, GOOD.replace("root: .", "root: nowhere").replace("epochs: 2", "epochs: x"))
    assert {problem.path for problem in problems} == {"trainer.epochs", "data.root"}


def test_the_nearest_names_of_a_zoo_are_compared_without_its_prefix() -> None:
    from registry.errors import nearest

    names = ["albumentations/Resize", "albumentations/ISONoise", "albumentations/Emboss", "resnet18", "focal"]
    assert nearest("albumentations/Resise", names) == ["albumentations/Resize"]
    assert nearest("Resnet8", names) == ["resnet18"] and nearest("albumentation/Resize", names)[0] == names[0]
