"""Recipe files: what they extend, the demo, the order in which everything is applied, and files that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.recipe.load import Recipe, load
from registry.recipe.overrides import merge
from registry.recipe.yaml import BROKEN, Location, parse


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**texts: str) -> None:
    for name, text in texts.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def reported(recipe: Recipe) -> list[tuple[str, str | None, int | None]]:
    return [(problem.path, problem.file, problem.line) for problem in recipe.problems]


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("{a: 1, b: {c: 1, d: 2}}", "{b: {c: 3}}", {"a": 1, "b": {"c": 3, "d": 2}}),
        ("{m: {use: x, p: 1}}", "{m: {use: y, q: 2}}", {"m": {"use": "y", "q": 2}}),
        ("{m: {use: x, p: 1}}", "{m: {use: x, q: 2}}", {"m": {"use": "x", "p": 1, "q": 2}}),
        ("{m: {use: x, p: 1}}", "{m: {p: 2}}", {"m": {"use": "x", "p": 2}}),
        ("{m: {use: x, p: 1}}", "{m: y}", {"m": "y"}),
        ("{m: x}", "{m: {p: 2}}", {"m": {"use": "x", "p": 2}}),
        ("{m: x}", "{m: {use: x, p: 2}}", {"m": {"use": "x", "p": 2}}),
        ("{m: x}", "{m: {use: y, p: 2}}", {"m": {"use": "y", "p": 2}}),
        ("{m: {p: 1}}", "{m: {use: y}}", {"m": {"p": 1, "use": "y"}}),
        ("{a: [1, 2], b: {c: 1}}", "{a: [3], b: 1}", {"a": [3], "b": 1}),
        ("{a: 1}", "{a: {b: 1}}", {"a": {"b": 1}}),
        ("{a: {b: 1}}", "{a: null}", {"a": None}),
    ],
)
def test_merge(base: str, over: str, merged: Any) -> None:
    (below, _), (above, _) = parse(base, None), parse(over, None)
    assert below is not None and above is not None
    before = below.plain()
    assert merge(below, above).plain() == merged
    assert below.plain() == before


def test_order_of_base_demo_and_command_line() -> None:
    write(
        base="trainer: {epochs: 1, size: 1}\nname: base\n",
        recipe="extends: base.yaml\ntrainer: {epochs: 2}\nlog: ${trainer.epochs}\n"
        "demo: {trainer: {epochs: 3, seed: 3}}\n",
    )
    recipe = load("recipe.yaml", sets=["trainer.epochs=4"], unsets=["trainer.size"], demo=True)
    assert recipe.problems == []
    assert recipe.root.plain() == {"trainer": {"epochs": 4, "seed": 3}, "name": "base", "log": 4}
    assert recipe.demo and recipe.has_demo and recipe.touched == {"trainer.epochs", "trainer.size"}


def test_demo_that_is_not_requested_changes_nothing() -> None:
    write(recipe="a: 1\ndemo: {a: 2}\n")
    recipe = load(Path("recipe.yaml"))
    assert recipe.root.plain() == {"a": 1} and recipe.has_demo and not recipe.demo


@pytest.mark.parametrize(("text", "path"), [("a: 1\n", "--demo"), ("a: 1\ndemo: 3\n", "demo")])
def test_missing_or_malformed_demo_is_a_problem(text: str, path: str) -> None:
    write(recipe=text)
    assert [problem.path for problem in load("recipe.yaml", demo=True).problems] == [path]


def test_demo_is_inherited_and_merged() -> None:
    write(
        base="trainer: {epochs: 9}\nm: {use: x, p: 1}\ndemo: {trainer: {epochs: 1, seed: 1}, m: {p: 2}}\n",
        recipe="extends: base.yaml\ntrainer: {epochs: 8}\ndemo: {trainer: {seed: 2}}\n",
    )
    recipe = load("recipe.yaml", demo=True)
    assert recipe.problems == []
    assert recipe.root.plain() == {"trainer": {"epochs": 1, "seed": 2}, "m": {"use": "x", "p": 2}}


@pytest.mark.parametrize("demo", [False, True])
@pytest.mark.parametrize("option", ["demo.trainer.epochs=1", "extends=other.yaml"])
def test_set_of_demo_or_extends_is_refused(option: str, demo: bool) -> None:
    write(recipe="trainer: {epochs: 9}\ndemo: {trainer: {epochs: 2}}\n")
    recipe = load("recipe.yaml", sets=[option], demo=demo)
    assert reported(recipe) == [(option.partition(".")[0].partition("=")[0], f"--set {option}", None)]
    assert "cannot be changed" in recipe.problems[0].message
    assert recipe.root.plain() == {"trainer": {"epochs": 2 if demo else 9}}


def test_demo_cannot_extend() -> None:
    write(recipe="a: 1\ndemo: {a: 2,\n  extends: base.yaml}\n", base="b: 1\n")
    recipe = load("recipe.yaml", demo=True)
    assert reported(recipe) == [("extends", "recipe.yaml", 3)] and recipe.root.plain() == {"a": 2}


def test_later_bases_override_earlier_ones() -> None:
    write(
        one="m: {use: x, p: 1}\na: 1\n",
        two="m: {use: y}\na: 2\nb: 2\n",
        recipe="extends: [one.yaml, two.yaml]\nm: {use: x, q: 3}\nb: 3\n",
    )
    assert load("recipe.yaml").root.plain() == {"m": {"use": "x", "q": 3}, "a": 2, "b": 3}


def test_bases_are_relative_to_their_file_and_keep_locations() -> None:
    Path("inner").mkdir()
    write(recipe="extends: inner/middle.yaml\nc: 3\n")
    Path("inner/middle.yaml").write_text("extends: ../base.yaml\nb: ${nothing}\n")
    write(base="# a comment\na: 1\na: 2\n")
    recipe = load("recipe.yaml")
    assert recipe.root.plain() == {"a": 1, "b": None, "c": 3}
    assert reported(recipe) == [("a", "inner/../base.yaml", 3), ("b", "inner/middle.yaml", 2)]
    assert recipe.root.value["a"].location == Location("inner/../base.yaml", 2)
    assert recipe.root.value["c"].location == Location("recipe.yaml", 2)


def test_base_included_twice_is_reported_once() -> None:
    write(base="a: 1\na: 2\n", one="extends: base.yaml\n", two="extends: base.yaml\n")
    write(recipe="extends: [one.yaml, two.yaml]\n")
    assert reported(load("recipe.yaml")) == [("a", "base.yaml", 2)]


@pytest.mark.parametrize(
    ("extends", "word", "hint"),
    [
        ("bsae.yaml", "does not exist", "'base.yaml'"),
        ("recipe.yaml", "in turn", ""),
        ("loop.yaml", "in turn", ""),
        ("3", "expected the name", "extends: base.yaml"),
        ('"a\\0b"', "cannot be read", ""),
    ],
)
def test_wrong_extends_is_reported_at_its_line(extends: str, word: str, hint: str) -> None:
    write(base="a: 1\n", loop="extends: recipe.yaml\nb: 1\n", recipe=f"c: 1\nextends: {extends}\n")
    recipe = load("recipe.yaml")
    (problem,) = recipe.problems
    asked_in = ("loop.yaml", 1) if extends == "loop.yaml" else ("recipe.yaml", 2)
    assert problem.path == "extends" and (problem.file, problem.line) == asked_in
    assert word in problem.message and hint in (problem.hint or "")
    assert recipe.root.plain()["c"] == 1


def test_problems_of_all_stages_are_collected() -> None:
    write(recipe="a: 1\na: 2\nb: ${x}\n")
    assert [path for path, _, _ in reported(load("recipe.yaml", sets=["c"], demo=True))] == [
        "a",
        "--demo",
        "--set c",
        "b",
    ]


@pytest.mark.parametrize(
    ("name", "word", "hint"),
    [
        ("recipes/segm.yaml", "does not exist", "'recipes/seg.yaml'"),
        ("recipes/seg", "does not exist", "'recipes/seg.yaml'"),
        ("recipes", "is a directory", "recipes/seg.yaml"),
        ("nowhere/seg.yaml", "does not exist", ""),
        ("recipes/seg.yaml/x", "cannot be read", ""),
        ("latin.yaml", "UTF-8", ""),
        ("large.yaml", "1 MB", ""),
    ],
)
def test_unreadable_file_is_one_problem(name: str, word: str, hint: str) -> None:
    Path("recipes").mkdir()
    Path("recipes/seg.yaml").write_text("a: 1\n")
    Path("latin.yaml").write_bytes("a: é\n".encode("latin-1"))
    Path("large.yaml").write_bytes(b"#" * 1_000_001)
    recipe = load(name, sets=["a=1"])
    (problem,) = recipe.problems
    assert problem.path == name and word in problem.message and hint in (problem.hint or "")
    assert recipe.root.value is BROKEN


@pytest.mark.parametrize("text", ["", "- !x a\n", "*a\n", "a: [1\n", "\ufeffa: 1\na: 2\n"])
def test_malformed_file_raises_nothing(text: str) -> None:
    write(recipe=text)
    assert len(load("recipe.yaml", sets=["b=1"], demo=False).problems) == 1
