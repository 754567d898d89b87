"""Search spaces in recipes: what may be written, and the messages of what may not."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import dedent

import pytest

from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.load import load
from registry.recipe.request import Request, every_problem, planned, planned_sweep

BASE = """
trainer: {use: classification, epochs: 3, batch_size: 8}
data: {use: image_folders, root: ROOT}
model: {use: resnet18, width: 8, stem: cifar}
"""


@pytest.fixture
def write(tmp_path: Path, colored_images: Path):
    def written(text: str, base: str = BASE) -> Path:
        path = tmp_path / "searched.yaml"
        path.write_text((base + dedent(text)).replace("ROOT", str(colored_images)))
        return path

    return written


def problem(path: Path, *sets: str) -> tuple[int | None, str, str]:
    (found,) = every_problem(Request(path, sets=sets), Registry())
    return found.line, f"{found.path}: {found.message}", found.hint or ""


def test_defaults_are_the_middle_the_first_or_what_is_written(write) -> None:
    path = write(
        """
        optimizer:
          search: choice
          of:
            - {use: adamw, lr: {search: log, low: 1e-5, high: 1e-2}}
            - {use: sgd, lr: {search: log, low: 1e-3, high: 1, default: 0.1}, momentum: 0.9}
        loss: {use: cross_entropy, label_smoothing: {search: linear, low: 0, high: 0.3, step: 0.1}}
        schedule: {use: cosine, warmup: "${loss.label_smoothing}"}
        """
    )
    default, settings = planned_sweep(Request(path, sets=["sweep={trials: 5}"]), Registry())
    recipe = default.recipe
    assert (settings.trials, settings.pruner) == (5, "median")
    defaults = {space.path: space.default for space in recipe.spaces.values()}
    smoothing = defaults.pop("loss.label_smoothing")
    assert smoothing == pytest.approx(0.1)
    assert defaults == {"optimizer": "adamw", "optimizer.of.0.lr": 0.000316, "optimizer.of.1.lr": 0.1}
    plain = recipe.root.plain()
    assert plain["optimizer"] == {"use": "adamw", "lr": 0.000316} and plain["schedule"]["warmup"] == smoothing
    other = recipe.with_values(lambda space: "sgd" if space.path == "optimizer" else space.high)
    assert other.root.plain()["optimizer"] == {"use": "sgd", "lr": 1.0, "momentum": 0.9}
    # The grid of a step ends at its last value, and what refers to a searched value follows it.
    assert other.root.plain()["schedule"]["warmup"] == pytest.approx(0.3)
    assert math.isclose(recipe.spaces["optimizer.of.0.lr"].default, math.sqrt(1e-5 * 1e-2), rel_tol=1e-2)


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        (
            "optimizer: {lr: {search: logarithmic, low: 1, high: 2}}",
            5,
            "optimizer.lr: expected search: log,",
            "{search",
        ),
        (
            "optimizer: {lr: {search: log, low: 1e-2, high: 1e-3}}",
            5,
            "optimizer.lr: low is 0.01, which is not be",
            "low:",
        ),
        ("optimizer: {lr: {search: log, low: 0, high: 1}}", 5, "optimizer.lr.low: expected a number above 0, got", ""),
        ("optimizer: {lr: {search: log, low: 1e-3}}", 5, "optimizer.lr: is missing: search: log needs 'high'", "high:"),
        (
            "optimizer: {lr: {search: log, low: 1, hihg: 2, high: 2}}",
            5,
            "optimizer.lr.hihg: search: log has no",
            "high",
        ),
        ("optimizer: {lr: {search: log, low: 1, high: 2, default: 3}}", 5, "optimizer.lr.default: expected a num", ""),
        ("optimizer: {search: choice, of: [adamw]}", 5, "optimizer.of: expected a list of two or more", "of: [adamw"),
        ("optimizer: {search: choice, of: [sgd, adamw, sgd]}", 5, "optimizer.of.2: sgd is in it twice", "once"),
        ("optimizer:\n  search: choice\n  of:\n    - sgd\n    - adamv", 9, "optimizer: no installed p", "adamw"),
        ("optimizer: {search: choice, of: [sgd, adamw], default: lars}", 5, "optimizer.default: is not one", "adamw"),
        ("optimizer: {lr: {search: choice, of: [1e-3, high]}}", 5, "optimizer.lr: expected a number", ""),
        ("seed: {search: int, low: 0, high: 9}", 5, "seed: cannot be searched: all trials share it", "model"),
        ("runtime: {workers: {search: int, low: 0, high: 9}}", 5, "runtime.workers: cannot be searched", "model"),
        ("schedule: {warmup: {search: linear, low: 0, high: 9}}", 5, "schedule.warmup: ", ""),
        (
            "repeat: 2\noptimizer: {lr: {search: log, low: 1, high: 2}}",
            6,
            "optimizer.lr: a recipe with repeat",
            "repeat",
        ),
        ("sweep: {trails: 3}", 5, "sweep.trails: sweep has no", "trials"),
    ],
)
def test_a_faulty_search_is_one_problem_with_its_line(write, text: str, line: int, message: str, hint: str) -> None:
    found = problem(write(text))
    assert (found[0], found[1][: len(message)]) == (line, message)
    assert hint in found[2]


def test_every_end_is_checked_as_its_place_asks(write) -> None:
    """The ends of a range, and the arguments of a component that the first trial does not use."""
    path = write("optimizer: {search: choice, of: [adamw, {use: sgd, momentun: 0.9}]}")
    assert problem(path)[1] == "optimizer.momentun: optimizer 'sgd' has no argument 'momentun'"
    path = write("", BASE.replace("width: 8", "width: {search: linear, low: 8, high: 16}"))
    assert problem(path)[1:] == (
        "model.width: expected an integer of at least 1, got 12.0",
        "search: int gives integers",
    )


def test_a_search_given_to_run_names_the_command(write) -> None:
    path = write("optimizer: {lr: {search: log, low: 1e-4, high: 1e-2}}")
    assert every_problem(Request(path), Registry()) == []
    with pytest.raises(InputError) as refused:
        planned(Request(path), Registry())
    (found,) = refused.value.problems
    assert (found.line, found.path) == (5, "optimizer.lr") and f"hw1cli sweep {path}" in (found.hint or "")
    assert planned(Request(path, sets=["optimizer.lr=1e-3"]), Registry()).optimizer.arguments["lr"] == 1e-3
    with pytest.raises(InputError, match="has no search space"):
        planned_sweep(Request(path, sets=["optimizer.lr=1e-3"]), Registry())


def test_what_changes_a_recipe_replaces_a_search_or_changes_its_range(write, tmp_path: Path) -> None:
    write("optimizer: {search: choice, of: [adamw, sgd]}\ndemo: {optimizer: {use: sgd, lr: 0.1}}\n")
    over = tmp_path / "over.yaml"
    over.write_text("extends: searched.yaml\nmodel: {width: {search: int, low: 2, high: 4}}\noptimizer: {use: lars}\n")
    recipe = load(over, sets=["model.width.high=8"])
    assert recipe.problems == [] and [(s.path, s.high) for s in recipe.spaces.values()] == [("model.width", 8)]
    assert load(tmp_path / "searched.yaml", demo=True).root.plain()["optimizer"] == {"use": "sgd", "lr": 0.1}
