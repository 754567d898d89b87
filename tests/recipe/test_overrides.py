"""``--set`` and ``--unset``: what they change, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import Problem
from registry.recipe import overrides
from registry.recipe.yaml import BROKEN, Location, Node, parse

RECIPE = """\
trainer: {use: segmentation, epochs: 3}
model: {use: unet, backbone: stranger_net}
augment: {train: [{use: flip, p: 1}, crop, 1, true]}
schedule:
"""


def apply(root: Node, sets: list[str], unsets: list[str]) -> list[Problem]:
    problems: list[Problem] = []
    overrides.apply(root, sets, unsets, problems)
    return problems


def tree() -> Node:
    root, problems = parse(RECIPE, "r.yaml")
    assert root is not None and not problems
    return root


def at(data: Any, path: str) -> Any:
    for part in path.split("."):
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data


FLIP = {"use": "flip", "p": 1}


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("trainer.epochs=5", "trainer", {"use": "segmentation", "epochs": 5}),
        (" trainer . epochs = 5", "trainer", {"use": "segmentation", "epochs": 5}),
        ("a.b.c=x=y", "a", {"b": {"c": "x=y"}}),
        ("model.backbone=x", "model.backbone", "x"),
        ("model.backbone={use: x}", "model.backbone", {"use": "x"}),
        ("model.backbone.use=x", "model.backbone", {"use": "x"}),
        ("model.backbone.pretrained=true", "model.backbone", {"use": "stranger_net", "pretrained": True}),
        ("schedule.use=step", "schedule", {"use": "step"}),
        ("augment.train.0.p=0.5", "augment.train.0", {"use": "flip", "p": 0.5}),
        ("augment.train[0].p=0.5", "augment.train.0", {"use": "flip", "p": 0.5}),
        ("augment.train.1.p=0.5", "augment.train.1", {"use": "crop", "p": 0.5}),
        ("augment.train.-1=x", "augment.train", [FLIP, "crop", 1, "x"]),
        ("augment.train+=blur", "augment.train", [FLIP, "crop", 1, True, "blur"]),
        ("augment.eval+={use: x}", "augment.eval", [{"use": "x"}]),
        ("schedule+=1", "schedule", [1]),
        ("augment.train-=flip", "augment.train", ["crop", 1, True]),
        ("augment.train-=crop", "augment.train", [FLIP, 1, True]),
        ("augment.train-={p: 1, use: flip}", "augment.train", ["crop", 1, True]),
        ("augment.train-=1", "augment.train", [FLIP, "crop", True]),
    ],
)
def test_set(option: str, path: str, value: object) -> None:
    root = tree()
    assert apply(root, [option], []) == []
    assert repr(at(root.plain(), path)) == repr(value)  # 1 is not True


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("trainer.epochs", "trainer", {"use": "segmentation"}),
        ("augment.train.0", "augment.train", ["crop", 1, True]),
        ("augment.train[-1]", "augment.train", [FLIP, "crop", 1]),
    ],
)
def test_unset(key: str, path: str, value: object) -> None:
    root = tree()
    assert apply(root, [], [key]) == []
    assert at(root.plain(), path) == value


@pytest.mark.parametrize(
    ("option", "word", "hint"),
    [
        ("trainer.epochs", "not an assignment", "KEY=VALUE"),
        ("=3", "not an assignment", "KEY=VALUE"),
        ("a..b=3", "empty part", "dotted key"),
        ("a. .b=3", "empty part", "dotted key"),
        ("trainer.epochs.x=1", "goes through 3", "'trainer.epochs'"),
        ("augment.train.9=x", "item 9 does not exist", "0 to 3"),
        ("augment.train.first=x", "not a position", "from 0"),
        ("augment.train-=flop", "no 'flop'", "'flip'"),
        ('augment.train-=""', "no ''", "flip, crop"),
        ("augment.trian-=flip", "'trian' does not exist", "'train'"),
        ("trainer.epochs+=1", "not a list", "KEY=VALUE"),
        ("a=[1, 2", "not valid YAML", ""),
        ("a={b: 1, b: 2}", "b: is given twice", "keep one"),
        (".".join("x" * 2000) + "=1", "deeper", ""),
    ],
)
def test_refused_set_leaves_the_tree_unchanged(option: str, word: str, hint: str) -> None:
    root = tree()
    (problem,) = apply(root, [option], [])
    assert problem.path == f"--set {option}" and word in problem.message and hint in (problem.hint or "")
    assert root.plain() == tree().plain()


@pytest.mark.parametrize(
    ("key", "word", "hint"),
    [
        ("trainer.epoch", "'epoch' does not exist", "'epochs'"),
        ("trainr.epochs", "'trainr' does not exist", "'trainer'"),
        ("augment.train.4", "item 4 does not exist", "0 to 3"),
        ("trainer.epochs.x", "'x' does not exist", "no keys"),
        ("", "empty part", "dotted key"),
    ],
)
def test_refused_unset_leaves_the_tree_unchanged(key: str, word: str, hint: str) -> None:
    root = tree()
    (problem,) = apply(root, [], [key])
    assert problem.path == f"--unset {key}" and word in problem.message and hint in (problem.hint or "")
    assert root.plain() == tree().plain()


def test_wrong_options_are_reported_and_the_others_applied_in_order() -> None:
    root = tree()
    problems = apply(root, ["seed", "seed=1", "seed=2", "x..y=1"], ["nothing", "schedule"])
    assert [problem.path for problem in problems] == ["--set seed", "--set x..y=1", "--unset nothing"]
    assert root.plain()["seed"] == 2 and "schedule" not in root.plain()


def test_value_has_the_location_of_its_option() -> None:
    root = tree()
    apply(root, ["model.backbone={use: x}"], [])
    location = Location("--set model.backbone={use: x}", None)
    backbone = root.value["model"].value["backbone"]
    assert backbone.location == location and backbone.value["use"].location == location


def test_nothing_is_reported_below_a_broken_value() -> None:
    root = Node({"a": Node(BROKEN, Location("r.yaml", 1))}, Location("r.yaml", 1))
    assert apply(root, ["a.b=1", "a+=1", "a-=1"], ["a.b"]) == []
    assert root.value["a"].value is BROKEN


def test_changed_paths_are_returned() -> None:
    root, _ = parse("{a: [{p: 1}], model: {backbone: x}}", "r.yaml")
    assert root is not None
    sets = ["data . root=x", "a[0].p=1", "malformed", "x..y=1"]
    assert overrides.apply(root, sets, ["model.backbone", "absent"], []) == {"data.root", "a.0.p", "model.backbone"}
