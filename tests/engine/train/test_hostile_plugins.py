"""Plugins that end the process, or give back something else than their kind asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from runs import train

import hw1cli as command_line
from registry.errors import InputError, PluginError
from registry.results.runs import read_if_done

LEAVING = {
    "leaving.py": """
    import os
    import sys
    from torch import nn
    from plugins.folders.image_folders import ImageFolders

    class Stop(BaseException):
        pass

    class Loss(nn.CrossEntropyLoss):
        steps = 0
        def __init__(self, how):
            super().__init__()
            self.how = how
        def forward(self, logits, target):
            Loss.steps += 1
            if Loss.steps > 3:
                raise {"exit": SystemExit(), "interrupt": KeyboardInterrupt(), "stop": Stop("by chance")}[self.how]
            return super().forward(logits, target)

    class Report:
        at = ["first"]
        def __init__(self, goes):
            self.goes = goes
        def __call__(self, run, epoch):
            os.chdir("/") if self.goes else sys.exit()

    class Samples:
        def __init__(self, samples, how):
            self.samples, self.how = samples, how
            self.names, self.labels = samples.names, samples.labels
        def __len__(self):
            return len(self.samples)
        def __getitem__(self, index):
            if index != 5:
                return self.samples[index]
            if self.how == "exit":
                sys.exit()

    class Data:
        def __init__(self, root, how):
            self.data, self.how = ImageFolders(root), how
            self.facts = self.data.facts
        def split(self, name):
            return Samples(self.data.split(name), self.how) if name == "train" else self.data.split(name)
    """,
    "leaving_specs.py": """
    from pathlib import Path

    def loss(*, how: str = "exit") -> "object":
        "Ends the process in its fourth step."
        from leaving import Loss
        return Loss(how)

    def report(*, goes: bool = False) -> "object":
        "Ends the process, or leaves the working directory, as it does when it is built."
        import os
        from leaving import Report
        os.chdir("/")
        return Report(goes)

    def backbone() -> "object":
        "Ends the process."
        raise SystemExit

    def flip() -> "object":
        "Not a transform."
        return print

    def data(*, root: Path, how: str = "exit") -> "object":
        "Images of which one ends the process, or is None."
        from leaving import Data
        return Data(root, how)
    """,
}


@pytest.fixture(autouse=True)
def leaving(install: Callable[..., None], stranger: None) -> None:
    kinds = {
        "losses": "loss",
        "reports": "report",
        "backbones": "backbone",
        "augmentations": "flip",
        "datasets": "data",
    }
    install("leaving", {f"{kind}/leaving": f"leaving_specs:{name}" for kind, name in kinds.items()}, LEAVING)


def test_a_plugin_that_ends_the_process_fails_its_run_alone(shapes: Path, tmp_path: Path) -> None:
    """Once it was exit code 0, half a run and no word."""
    runs = "runs: {bad: {loss: leaving}, good: {reports: [leaving], trainer: {epochs: 1}}}\n"
    shapes.write_text(shapes.read_text() + runs)
    ended = CliRunner().invoke(command_line.main, ["run", str(shapes), "--out", str(tmp_path / "study")])
    assert ended.exit_code == 3, ended.output
    shown = ended.output.replace("\n", "")
    assert re.search(r"bad failed: \S*leaving\.py:\d+: a plugin ended the process: SystemExit", shown), shown
    assert "leaving.py" in (tmp_path / "study" / "bad" / "log.txt").read_text()  # the traceback
    assert read_if_done(tmp_path / "study" / "good") is not None
    assert "leaving" in ended.output.rpartition("error:")[2]  # the report of the other run


def test_a_factory_that_ends_the_process_is_named(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"backbone 'leaving' of leaving 0\.3.*SystemExit"):
        train(shapes, tmp_path / "run", "model.backbone=leaving")


def test_an_augmentation_that_is_no_transform_is_named(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"augmentation 'leaving' .*: expected an albumentations"):
        train(shapes, tmp_path / "run", "augment.train=[leaving]")


@pytest.mark.parametrize("how", ["exit", "none"])
def test_a_data_set_that_ends_the_process_or_gives_nothing_names_the_sample(
    shapes: Path, tmp_path: Path, colored_images: Path, how: str
) -> None:
    data = f"data={{use: leaving, root: {colored_images}, how: {how}}}"
    with pytest.raises(InputError, match=r"5\.png: cannot be read"):
        train(shapes, tmp_path / "run", data)


@pytest.mark.parametrize("how", ["interrupt", "stop"])
def test_what_a_plugin_raises_beside_exceptions_is_its_failure(shapes: Path, tmp_path: Path, how: str) -> None:
    """Neither a signal nor a traceback."""
    words = ["run", str(shapes), "--out", str(tmp_path / "run"), "--set", f"loss={{use: leaving, how: {how}}}"]
    ended = CliRunner().invoke(command_line.main, words)
    assert ended.exit_code == 3, ended.output
    name = {"interrupt": "KeyboardInterrupt", "stop": "Stop: by chance"}[how]
    assert re.search(rf"error: \S*leaving\.py:\d+: a plugin ended the process: {name}\n", ended.output), ended.output
    assert "Traceback" not in ended.output and "leaving.py" in (tmp_path / "run" / "log.txt").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "failed"


def test_a_plugin_that_changes_the_working_directory_changes_nothing(
    shapes: Path, tmp_path: Path, colored_images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").symlink_to(colored_images)
    shapes.write_text(shapes.read_text().replace(str(colored_images), "images"))
    summary = train(Path(shapes.name), Path("run"), "reports=[{use: leaving, goes: true}, confusion_matrix]")
    assert summary["status"] == "done" and Path.cwd() == tmp_path
    assert (tmp_path / "run" / "summary.json").exists() and any((tmp_path / "run" / "figures").iterdir())
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["data"]["arguments"]["root"] == "images"
