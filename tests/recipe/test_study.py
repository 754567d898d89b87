"""One recipe, several runs: what they are, in which order, and that what is finished is not done again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from textwrap import dedent

import pytest

from registry.catalog.registry import Registry
from registry.cli.commands.run import run_recipe as run
from registry.errors import InputError
from registry.recipe.load import load
from registry.recipe.request import Request, every_problem, planned_runs


def members(tmp_path: Path, text: str, *sets: str) -> dict:
    path = tmp_path / "study.yaml"
    path.write_text(dedent(text))
    recipe = load(path, sets=sets, folder=tmp_path / "out")
    assert not recipe.problems, recipe.problems
    return {member.title: (member, member.root.plain()) for member in recipe.members}


def problems(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    path = tmp_path / "study.yaml"
    path.write_text(dedent(text))
    return [(problem.path, problem.message) for problem in load(path).problems]


def test_runs_override_the_recipe_and_matrix_values_override_the_runs(tmp_path: Path) -> None:
    found = members(
        tmp_path,
        """
        optimizer: {use: adamw, lr: 1e-3}
        seed: 5
        runs:
          small: {model: {use: a}}
          large: {model: {use: b, depth: 3}, matrix: {optimizer.lr: [1e-2], model.depth: [1, 2]}}
        repeat: 2
        """,
        "runs.small.model.width=7",
    )
    assert list(found) == [
        *("small_seed=5", "small_seed=6"),
        *("large_lr=0.01_depth=1_seed=5", "large_lr=0.01_depth=1_seed=6"),
        *("large_lr=0.01_depth=2_seed=5", "large_lr=0.01_depth=2_seed=6"),
    ]
    assert found["small_seed=6"][1] == {
        "optimizer": {"use": "adamw", "lr": 1e-3},
        "seed": 6,
        "model": {"use": "a", "width": 7},
    }
    assert found["large_lr=0.01_depth=2_seed=5"][1]["model"] == {"use": "b", "depth": 2}
    assert {member.setting for member, _ in found.values()} == {
        "small",
        "large_lr=0.01_depth=1",
        "large_lr=0.01_depth=2",
    }


def test_matrix_without_runs(tmp_path: Path) -> None:
    found = members(tmp_path, "model: {use: a}\nmatrix: {model: [a, {use: b, width: 2}], seed: [0, 1]}")
    assert list(found) == ["model=a_seed=0", "model=a_seed=1", "model=b_seed=0", "model=b_seed=1"]
    assert found["model=b_seed=1"][1] == {"model": {"use": "b", "width": 2}, "seed": 1}


def test_runs_that_differ_in_one_argument_are_named_by_it(tmp_path: Path) -> None:
    found = members(
        tmp_path,
        "matrix: {model.backbone: [{use: resnet18, width: 8}, {use: resnet18, width: 16}, {use: other, n: 1}]}",
    )
    assert list(found) == ["backbone=resnet18-width=8", "backbone=resnet18-width=16", "backbone=other"]
    assert [own["model"]["backbone"].get("width") for _, own in found.values()] == [8, 16, None]


def test_equal_last_keys_of_two_matrix_paths_are_written_in_full(tmp_path: Path) -> None:
    assert list(members(tmp_path, "matrix: {model.lr: [1], head.lr: [1, 2]}")) == [
        "model.lr=1_head.lr=1",
        "model.lr=1_head.lr=2",
    ]


def test_all_references_to_runs_in_a_text_are_replaced(tmp_path: Path) -> None:
    _, after = members(tmp_path, "runs: {a: {}, b: {}, c: {x: '${runs.a}/p:${runs.b}/q:${runs.a}'}}")["c"]
    a, b = tmp_path / "out" / "a", tmp_path / "out" / "b"
    assert after == {"x": f"{a}/p:{b}/q:{a}"}


def test_null_study_section_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("a: 1\nruns: null\nmatrix:\nrepeat: 2\n")
    recipe = load(tmp_path / "study.yaml", sets=["repeat=null"])
    assert recipe.problems == [] and not recipe.is_study and recipe.root.plain() == {"a": 1}


def test_huge_matrix_is_counted_not_expanded(tmp_path: Path) -> None:
    values = ", ".join(map(str, range(2000)))
    began = time.process_time()
    (found,) = problems(tmp_path, f"matrix: {{a: [{values}], b: [{values}], c: [{values}], d: [{values}]}}")
    assert found == ("matrix", "makes 16,000,000,000,000 runs, more than 1,000")
    assert time.process_time() - began < 5


def test_reference_to_a_run_means_the_one_with_the_same_seed(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("trainer: {use: byol}\ndemo: {trainer: {epochs: 1}}\n")
    found = members(
        tmp_path,
        """
        trainer: {use: classification}
        repeat: 2
        runs:
          after: {model: {weights: "${runs.before}", other: "${runs.once}/best.pt"}, data: "${trainer.use}"}
          before: {extends: other.yaml, trainer: {epochs: 3}}
          once: {repeat: 1}
        """,
    )
    before = found["before_seed=0"][1]
    assert before == {"trainer": {"use": "byol", "epochs": 3}, "seed": 0}
    member, after = found["after_seed=1"]
    assert member.needs == ("before_seed=1", "once")
    assert after["model"] == {
        "weights": str(tmp_path / "out" / "before_seed=1"),
        "other": str(tmp_path / "out" / "once" / "best.pt"),
    }
    assert after["data"] == "classification"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("runs: {}", "runs", "has no runs"),
        ("runs: {a: 3}", "runs.a", "not a mapping"),
        ("runs: {a/b: {}}", "runs.a/b", "not a name for a folder"),
        ("runs: {a: {x: '${runs.b}'}, bb: {}}", "runs.a", "needs the run 'b'"),
        ("runs: {a: {x: '${runs.b}'}, b: {matrix: {seed: [1, 2]}}}", "runs.a", "which makes several"),
        ("matrix: {seed: 3}", "matrix.seed", "not a list"),
        ("repeat: 0", "repeat", "from 1 to 1,000"),
        ("matrix: {a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}\nrepeat: 100", "matrix", "makes 1,100 runs"),
        ("matrix: {a: [1, 2, 1]}", "matrix", "two runs would both be named 'a=1'"),
        ("matrix: {a: [x/y, x:y]}", "matrix", "two runs would both be named 'a=x-y'"),
        ("matrix: {seed: [1, 2]}\nrepeat: 2", "repeat", "matrix sets the seed"),
    ],
)
def test_problems_of_a_study(tmp_path: Path, text: str, path: str, message: str) -> None:
    assert any(where == path and message in found for where, found in problems(tmp_path, text))


def test_circular_references_between_runs_are_a_problem(stranger: None, recipe: Path) -> None:
    recipe.write_text(
        recipe.read_text() + "runs: {a: {seed: 1, description: '${runs.b}'}, b: {description: '${runs.a}'}}\n"
    )
    with pytest.raises(InputError, match="circle"):
        planned_runs(Request(recipe), Registry())


def test_problem_in_one_run_stops_the_study_before_it_starts(stranger: None, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text() + "runs: {good: {}, bad: {trainer: {epochz: 1}}, worse: {loss: focall}}\n")
    with pytest.raises(InputError) as caught:
        run(Request(recipe, out=tmp_path / "out"), resume=False)
    assert {problem.path for problem in caught.value.problems} == {"trainer.epochz", "loss"}
    assert not (tmp_path / "out").exists()


STUDY = """
runs:
  after: {model: {backbone: {use: stranger_net, weights: "${runs.before}"}}, trainer: {epochs: 1}}
  before: {trainer: {epochs: 1}}
  broken: {model: {backbone: {width: 16, weights: "${runs.before}"}}}
  orphan: {description: "${runs.broken}"}
"""


def test_study_skips_finished_runs_and_continues_after_failures(
    stranger: None, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(recipe.read_text() + STUDY)
    out = tmp_path / "out"
    request = Request(recipe, out=out)
    with pytest.raises(Exception, match="2 run"):
        run(request, resume=False)
    assert "skipped: it needs broken" in capsys.readouterr().out
    assert json.loads((out / "after" / "summary.json").read_text())["status"] == "done"
    assert not (out / "orphan").exists() and not (out / "broken").exists()
    scores = json.loads((out / "study.json").read_text())["miou"]
    assert [row["name"] for row in scores["settings"]] == ["before", "after"]

    stamps = {name: (out / name / "summary.json").stat().st_mtime_ns for name in ("before", "after")}
    again = Request(recipe, ("runs.broken.model.backbone.width=8", "runs.broken.trainer.epochs=1"), out=out)
    run(again, resume=False)
    assert {name: (out / name / "summary.json").stat().st_mtime_ns for name in stamps} == stamps
    assert json.loads((out / "orphan" / "summary.json").read_text())["status"] == "done"

    with pytest.raises(InputError, match=r"before: .*seed"):
        run(Request(recipe, ("seed=3", "runs.broken={}"), out=out), resume=False)

    kept = sorted((out / "before").rglob("*"))
    with pytest.raises(InputError, match="holds a run, and those of a study need a folder of their own"):
        run(Request(recipe, again.sets, out=out / "before"), resume=False)
    assert sorted((out / "before").rglob("*")) == kept


def test_finished_study_demo_is_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "votes.yaml"
    recipe.write_text(
        "trainer: {use: knn, eval_batch_size: 128}\nbackbone: {use: resnet18, width: 8}\n"
        "data: {use: labelled_names, root: nowhere}\nruns: {a: {}, b: {seed: 1}}\n"
        "demo: {make: {use: digits, digits: [0, 1]}}\n"
    )
    request = Request(recipe, demo=True, out=tmp_path / "out")
    run(request, resume=False)
    capsys.readouterr()
    run(request, resume=False)
    output = capsys.readouterr().out
    assert output.count("already finished") == 2 and "row minus column" in output


def test_in_a_demo_a_run_has_the_demo_of_the_recipe_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("trainer: {use: a, epochs: 100}\ndemo: {trainer: {epochs: 5}, make: digits}\n")
    path = tmp_path / "study.yaml"
    path.write_text(
        "data: {use: b}\nruns: {one: {extends: base.yaml}, two: {extends: base.yaml}}\n"
        "demo: {runs: {two: {trainer: {epochs: 7}}}}\n"
    )
    real = [member.root.plain() for member in load(path).members]
    assert real == [{"trainer": {"use": "a", "epochs": 100}}] * 2
    demo = {member.title: member.root.plain() for member in load(path, demo=True).members}
    assert demo["one"] == {"trainer": {"use": "a", "epochs": 5}, "make": "digits"}
    assert demo["two"] == {"trainer": {"use": "a", "epochs": 7}, "make": "digits"}


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("[{title: A, runs: [smal]}]", ("page.0.runs", "no run is named 'smal'")),
        ("[{title: A, runs: ['s*', small]}]", None),
        ("[{title: A, titel: B}]", ("page.0.titel", "page.0 has no argument 'titel'")),
        ("[{text: A}]", ("page.0.title", "is missing: page.0 needs text")),
        ("[{title: A, show: [scors]}]", ("page.0.show.0", None)),
    ],
)
def test_the_sections_of_a_page_are_checked(page: str, found: tuple | None, recipe: Path) -> None:
    recipe.write_text(f"{recipe.read_text()}\nruns: {{small: {{}}}}\npage: {page}\n")
    problems = [each for each in every_problem(Request(recipe), Registry()) if each.path.startswith("page")]
    assert [problem.path for problem in problems] == ([] if found is None else [found[0]])
    if found is not None and found[1] is not None:
        assert problems[0].message == found[1] and problems[0].line is not None


def test_a_page_without_runs_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "page: [{title: A}]") == [("page", "is of a study")]
