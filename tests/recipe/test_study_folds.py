"""``split: {folds: 5}``: the runs of the study, what is refused, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.catalog.registry import Registry
from registry.recipe.load import load
from registry.recipe.request import Request, every_problem, planned_runs


def test_folds_make_a_run_each_and_are_crossed_with_seeds_and_values(stranger: None, shapes: Path) -> None:
    text = shapes.read_text()
    shapes.write_text(text + "split: {folds: 3}\n")
    plans = planned_runs(Request(shapes), Registry())
    assert [plan.recipe.title for plan in plans] == ["fold=1", "fold=2", "fold=3"]
    assert {plan.recipe.setting for plan in plans} == {"run"}
    assert [(plan.split.folds, plan.split.fold, plan.seed) for plan in plans] == [(3, 1, 0), (3, 2, 0), (3, 3, 0)]

    crossed = planned_runs(Request(shapes, ("matrix={optimizer.lr: [1, 2]}", "repeat=2")), Registry())
    assert len(crossed) == 12 and crossed[0].recipe.title == "lr=1_seed=0_fold=1"
    assert {plan.recipe.setting for plan in crossed} == {"lr=1", "lr=2"}

    one = load(shapes, sets=("split.fold=2",))
    assert not one.is_study and planned_runs(Request(shapes, ("split.fold=2",)), Registry())[0].split.fold == 2

    shapes.write_text(text + "runs: {whole: {}, parts: {split: {folds: 2}}, after: {description: '${runs.whole}'}}\n")
    assert [member.title for member in load(shapes).members] == ["whole", "parts_fold=1", "parts_fold=2", "after"]
    shapes.write_text(text + "split: {folds: 2}\nruns: {one: {}, two: {description: '${runs.one}'}}\n")
    assert [member.needs for member in load(shapes).members] == [(), (), ("one_fold=1",), ("one_fold=2",)]


@pytest.mark.parametrize(
    ("split", "path", "message"),
    [
        ("{folds: 1}", "split.folds", "expected an integer from 2 to 100, got 1"),
        ("{folds: 1000000000}", "split.folds", "expected an integer from 2 to 100"),
        ("{folds: two}", "split.folds", "expected an integer from 2 to 100"),
        ("{folds: 3, fold: 4}", "split.fold", "expected a fold from 1 to 3, got 4"),
        ("{fold: 4}", "split.fold", "goes with folds alone"),
        ("{group: a}", "split.group", "goes with folds alone"),
        ("{folds: 3, val: 0.1}", "split.val", "contradicts split.folds"),
        ("{folds: 3, group: '('}", "split.group", "is not a regular expression"),
        ("{folds: 3, group: a, group_file: a.csv}", "split.group_file", "contradicts split.group"),
        ("{folds: '${trainer.epochs}'}", "split.folds", "cannot be set by a matrix or a reference"),
    ],
)
def test_problems_of_folds_have_their_line(stranger: None, shapes: Path, split: str, path: str, message: str) -> None:
    shapes.write_text(f"split: {split}\n{shapes.read_text()}")
    found = every_problem(Request(shapes), Registry())
    assert {(each.path, each.line) for each in found} == {(path, 1)}, found
    assert all(message in each.message for each in found), found
