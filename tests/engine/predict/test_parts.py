"""Many inputs predicted part by part: the same files as at once, by several processes, and after a kill."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from test_predict import labeller, pixelwise  # noqa: F401 - fixtures

from plugins.folders.image_folders import ImageFolders
from plugins.shards.pack import pack
from registry.engine.predict import Settings, predict
from registry.engine.predict.threads import Reader
from registry.engine.train.saved_run import SavedRun

QUIET = Console(quiet=True)
PREDICT = sys.modules["registry.engine.predict.predict"]  # the package's name of that is the function


@pytest.fixture
def photos(colored_images: Path, tmp_path: Path) -> Path:
    """24 images in three folders, the tenth of which is cut short."""
    shutil.copytree(colored_images / "train", tmp_path / "photos")
    bad = sorted((tmp_path / "photos").rglob("*.png"))[9]
    bad.write_bytes(bad.read_bytes()[:60])
    return tmp_path / "photos"


def settings(photos: Path, out: Path, **how: Any) -> Settings:
    return Settings(inputs=[str(photos)], out=out, recursive=True, scores=True, **how)


def written(out: Path) -> tuple[bytes, bytes]:
    return out.read_bytes(), out.with_name(f"{out.stem}_failures.csv").read_bytes()


def test_a_killed_prediction_in_parts_ends_with_the_same_table_and_reads_each_input_once(
    labeller: SavedRun,  # noqa: F811
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    summary = predict(labeller, settings(photos, whole), QUIET)
    assert (summary["predicted"], len(summary["failed"])) == (23, 1)
    monkeypatch.setattr(PREDICT, "MOST", 1)
    child = os.fork()
    if not child:
        predict(labeller, settings(photos, out), QUIET)
        os._exit(0)
    records, deadline = tmp_path / ".out.csv.parts", time.monotonic() + 60
    while time.monotonic() < deadline and len(list(records.glob("*/*.json"))) < 3:
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = len(list(records.glob("*/*.json")))
    assert not out.exists() and 3 <= done < 24, "it was killed on the way"
    seen: list[int] = []
    real = Reader.__getitem__

    def counted(self: Reader, index: int) -> Any:
        seen.append(index)
        return real(self, index)

    monkeypatch.setattr(Reader, "__getitem__", counted)
    predict(labeller, settings(photos, out, resume=True), QUIET)
    assert len(seen) == 24 - done
    assert written(out) == written(whole)
    assert not records.exists()
    predict(labeller, settings(photos, out), QUIET)
    assert len(seen) == 48 - done, "without resume everything is predicted anew"


def test_two_processes_share_the_inputs(
    labeller: SavedRun,  # noqa: F811
    photos: Path,
    tmp_path: Path,
    hw1cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    predict(labeller, settings(photos, tmp_path / "whole.csv"), QUIET)
    run, out = labeller.folder.path, tmp_path / "out.csv"
    options = ("--recursive", "--scores", "--devices", 2, "--device", "cpu", "--json")
    done = hw1cli("predict", run, photos, "--out", out, *options)
    assert done.returncode == 1, done.stderr  # an image could not be read
    summary = json.loads(done.stdout)
    assert (summary["images"], summary["predicted"]) == (24, 23)
    assert written(out) == written(tmp_path / "whole.csv")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_packed_images_are_predicted_as_their_files(labeller: SavedRun, colored_images: Path, tmp_path: Path) -> None:  # noqa: F811
    pack(ImageFolders(colored_images), tmp_path / "packed", 10**4, lambda: None)
    predict(labeller, settings(tmp_path / "packed", tmp_path / "packed.csv"), QUIET)
    predict(labeller, settings(colored_images, tmp_path / "files.csv"), QUIET)
    tables = []
    for name in ("packed", "files"):
        with (tmp_path / f"{name}.csv").open() as file:
            tables.append({row.pop("filename"): row for row in csv.DictReader(file)})
    assert len(tables[0]) == 36 and tables[0] == tables[1]
