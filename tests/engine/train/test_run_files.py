"""Damaged files of a run folder, links out of it, and a folder that is removed while the run is going on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from runs import same, train, weights

import hw1cli as command_line
from registry.engine.records.run_folder import clear_unfinished_start
from registry.engine.train.saved_run import open_run
from registry.errors import Hw1Error, InputError
from registry.results.runs import compare_runs, read

RECIPE = """
trainer: {{use: classification, epochs: 2, batch_size: 8}}
data: {{use: image_folders, root: {root}}}
model: {{use: classifier, backbone: {{use: resnet18, width: 8}}}}
runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, colored_images: Path) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    path.write_text(RECIPE.format(root=colored_images))
    return path


@pytest.fixture(scope="module")
def trained(small: Path) -> Path:
    train(small, small.parent / "run")
    return small.parent / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


DAMAGES = {
    "torn": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a list": lambda content: b"[1, 2]\n",
    "a number": lambda content: b"7\n",
    "not UTF-8": lambda content: b"\xff\xfe\x00{" + content,
    "an empty object": lambda content: b"{}\n",
    "other types": lambda content: (
        b"{%s}" % b", ".join(b"%s: [3]" % key for key in re.findall(rb'"\w+"(?=: )', content))
    ),
    "too deep": lambda content: b"[" * 100_000,
}


def damaged(run: Path, name: str, damage: Callable[[bytes], bytes]) -> Path:
    (run / name).write_bytes(damage((run / name).read_bytes()))
    return run


NAMES = ("plan.json", "environment.json", "summary.json", "metrics.jsonl")
#: What is left out of a plan or an environment is a difference, and a run without a finished epoch has no metrics.
HARMLESS = {("plan.json", "an empty object"), ("environment.json", "an empty object"), ("metrics.jsonl", "empty")}


@pytest.mark.parametrize(("name", "damage"), [(n, d) for n in NAMES for d in DAMAGES if (n, d) not in HARMLESS])
def test_a_damaged_file_is_named_by_those_who_read_finished_runs(run, trained, name, damage):
    damaged(run, name, DAMAGES[damage])
    with pytest.raises(InputError) as caught:
        compare_runs([read(trained), read(run)])
    assert len(caught.value.problems) == 1 and name in caught.value.problems[0].path
    shown = CliRunner().invoke(command_line.main, ["report", str(run), "--out", str(run.parent / "page.html")])
    assert shown.exit_code == 2 and name in shown.output and not (run.parent / "page.html").exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_environment_is_named_by_predict_and_evaluate(run, damage):
    with pytest.raises(InputError, match=r"environment\.json"):
        open_run(damaged(run, "environment.json", damage))


@pytest.mark.parametrize("name", ["plan.json", "metrics.jsonl"])
@pytest.mark.parametrize("damage", ["torn", "a list", "too deep"])
def test_a_damaged_file_ends_a_resumed_run_before_it_begins(run, small, name, damage):
    if name == "metrics.jsonl":
        (run / name).write_bytes(DAMAGES[damage]((run / name).read_bytes()) + b"\n{}\n")
    else:
        damaged(run, name, DAMAGES[damage])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        train(small, run, "trainer.epochs=3", resume=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_torn_last_line_of_the_metrics_is_repaired_by_resuming(run, small, tmp_path):
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-20])
    with pytest.raises(InputError, match="line 2, the last one") as caught:
        read(run)
    assert "--resume" in str(caught.value)
    summary = train(small, run, "trainer.epochs=3", resume=True)
    assert any("metrics.jsonl is damaged in line 2" in caveat for caveat in summary["caveats"])
    assert [row["epoch"] for row in read(run).rows] == [1, 3]
    train(small, tmp_path / "whole", "trainer.epochs=3")
    assert same(weights(run), weights(tmp_path / "whole"))


IN_THE_WAY = ["skipped.csv", "checkpoints/.last.pt.1.partial", "log.txt", "metrics.jsonl", "checkpoints/best.pt"]


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way_of_a_resumed_run_is_named(run, small, name):
    if name == "skipped.csv":
        (run / name).write_bytes(b"split,sample\n\xff,2\n")
    else:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()
    with pytest.raises(InputError, match=f"{re.escape(name)}: is "):
        train(small, run, "trainer.epochs=3", resume=True)


def test_what_a_killed_process_left_half_written_is_deleted(run, small):
    left = [run / ".metrics.csv.1.partial", run / "checkpoints" / ".last.pt.1.before.partial"]
    kept = run / ".notes.partial"
    for path in (*left, kept):
        path.touch()
    train(small, run, "trainer.epochs=3", resume=True)
    assert kept.exists() and not any(path.exists() for path in left)


REMOVING = {
    "removing.py": """
    import shutil
    class Report:
        at = ["first"]
        def __call__(self, run, epoch):
            while run.folder.path.exists():  # a checkpoint may just be written into it
                shutil.rmtree(run.folder.path, ignore_errors=True)
    """,
    "removing_specs.py": """
    def report() -> "object":
        "A report that removes the run folder."
        from removing import Report
        return Report()
    """,
}


def test_a_run_folder_that_is_removed_is_the_reason_given(install, small, tmp_path):
    install("removing", {"reports/removes": "removing_specs:report"}, REMOVING)
    with pytest.raises(Hw1Error, match="run was removed while the run was going on") as caught:
        train(small, tmp_path / "run", "reports=[removes]")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["log.txt", "metrics.csv", "summary.json", ".lock", "checkpoints", "tensorboard"])
def test_links_out_of_a_run_folder_are_not_followed(run, small, tmp_path, name):
    """A stranger's run folder, which would otherwise write into files of the user's."""
    mine = tmp_path / "mine"
    if (run / name).is_dir():
        shutil.move(run / name, mine)
    else:
        mine.write_text("mine")
        (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(mine)
    before = sorted(mine.rglob("*")) or mine.read_text()
    with pytest.raises(InputError, match="symbolic link out of the run folder"):
        train(small, run, "trainer.epochs=3", resume=True)
    assert before == (sorted(mine.rglob("*")) or mine.read_text())


def test_links_out_of_an_unfinished_member_of_a_study_are_not_followed(run, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (run / ".lock").unlink()
    (run / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="symbolic link out of the run folder"):
        clear_unfinished_start(run)
    assert (tmp_path / "mine").read_text() == "mine"


def test_evaluate_does_not_follow_a_link_out_of_the_run_folder(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (run / "evaluation").symlink_to(tmp_path / "mine")
    ended = subprocess.run([sys.executable, ROOT / "hw1cli.py", "evaluate", run], capture_output=True, text=True)
    assert ended.returncode == 2 and "symbolic link out of the run folder" in ended.stderr
    assert not any((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("name", ["r\udcff", "r" * 300, "file/run", "link", "/proc/run"])
def test_a_run_folder_that_cannot_be_is_refused_before_anything_is_done(stranger, recipe, tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"cannot be|is not a folder"):
        train(recipe, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before
