"""Images that cannot be used, in runs with real files: skipped or refused, before the first step or when met."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from runs import events, same, train, weights

from registry.engine.data.images import UnreadableImage
from registry.engine.data.samples import GuardedSamples
from registry.engine.inspection.headers import faults
from registry.errors import Hw1Error, InputError
from registry.recipe.grammar import DataSettings

SKIP = "data.on_error=skip"


def truncate(path: Path) -> None:
    """Keep the header: only decoding finds out."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


@pytest.fixture
def damaged(scenes: Path, tmp_path: Path) -> Path:
    """Copies of the scenes; one training and one validation image are truncated."""
    root = tmp_path / "damaged"
    shutil.copytree(scenes, root)
    for split in ("train", "validation"):
        truncate(sorted((root / split).glob("*_sat.jpg"))[1])
    return root


@pytest.fixture
def skipping(damaged: Path, recipe: Path, scenes: Path) -> Path:
    """The recipe over the damaged scenes."""
    recipe.write_text(recipe.read_text().replace(str(scenes), str(damaged)))
    return recipe


def test_a_bad_image_is_skipped_counted_listed_and_shown(stranger, skipping, damaged, tmp_path):
    with pytest.raises(Hw1Error, match=r"_sat\.jpg"):
        train(skipping, tmp_path / "fails")
    summary = train(skipping, tmp_path / "run", SKIP)
    rows = list(csv.DictReader((tmp_path / "run" / "skipped.csv").open()))
    assert sorted(row["split"] for row in rows) == ["train", "val"]
    assert all(str(damaged) in row["reason"] and "truncated" in row["reason"] for row in rows)
    assert "2 samples could not be read and were skipped; see skipped.csv" in summary["caveats"]
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["skipped_samples"] == 2
    assert "run/skipped_samples" in events(tmp_path / "run")[0]


def test_an_evaluation_leaves_out_what_it_cannot_read(stranger, skipping, damaged, tmp_path, hw1cli):
    train(skipping, tmp_path / "run", SKIP)
    bad = sorted((damaged / "validation").glob("*_sat.jpg"))[1].name.removesuffix("_sat.jpg")
    out = tmp_path / "scores"
    ended = hw1cli("evaluate", tmp_path / "run", "--out", out)
    assert ended.returncode == 0, ended.stderr
    names = [row["name"] for row in csv.DictReader((out / "per_image.csv").open())]
    assert len(names) == 3 and bad not in names
    assert "1 sample could not be read" in ended.stdout + ended.stderr
    without = tmp_path / "without"
    shutil.copytree(damaged, without)
    for path in (without / "validation").glob(f"{bad}_*"):
        path.unlink()
    again = hw1cli("evaluate", tmp_path / "run", "--data", without, "--out", tmp_path / "other", "--json")
    first = hw1cli("evaluate", tmp_path / "run", "--out", tmp_path / "third", "--json")
    assert json.loads(first.stdout)["scores"] == json.loads(again.stdout)["scores"]


@pytest.mark.parametrize("sets", [("runtime.workers=2",), ("runtime.cache=off",)])
def test_skipping_depends_neither_on_workers_nor_on_the_cache(stranger, skipping, tmp_path, sets):
    train(skipping, tmp_path / "a", SKIP)
    train(skipping, tmp_path / "b", SKIP, *sets)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_that_skips_resumes_bit_exact(stranger, start, skipping, tmp_path, workers):
    sets = [SKIP, "trainer.epochs=10", f"runtime.workers={workers}", "trainer.batch_size=2"]
    train(skipping, tmp_path / "whole", *sets)
    out = tmp_path / "killed"
    words = [word for each in sets for word in ("--set", each)]
    process = start("run", skipping, "--out", out, *words)
    process.until(out / "metrics.jsonl")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["epoch"] < 10
    summary = train(skipping, out, *sets, resume=True)
    assert same(weights(tmp_path / "whole"), weights(out))
    assert "2 samples could not be read and were skipped; see skipped.csv" in summary["caveats"]


def test_balanced_sampling_counts_a_bad_mask_as_nothing(stranger, skipping, damaged, tmp_path):
    truncate(sorted((damaged / "train").glob("*_mask.png"))[3])
    assert train(skipping, tmp_path / "run", SKIP, "trainer.sampling=balanced")["status"] == "done"


def test_a_file_that_would_be_read_for_ever_is_refused_or_skipped(stranger, skipping, damaged, tmp_path):
    path = sorted((damaged / "train").glob("*_sat.jpg"))[3]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"_sat\.jpg: is not a regular file"):
        train(skipping, tmp_path / "fails")
    train(skipping, tmp_path / "run", SKIP, "trainer.epochs=1")
    assert "is not a regular file" in (tmp_path / "run" / "skipped.csv").read_text()


def test_more_bad_images_than_max_skipped_end_the_run(stranger, skipping, damaged, tmp_path, hw1cli):
    for path in sorted((damaged / "train").glob("*_sat.jpg"))[3:6]:
        truncate(path)
    ended = hw1cli("run", skipping, "--out", tmp_path / "run", "--set", SKIP, "--set", "data.max_skipped=2")
    assert ended.returncode == 1
    assert "3 samples could not be read, more than data.max_skipped (2)" in ended.stderr
    assert "skipped.csv" in ended.stderr and len((tmp_path / "run" / "skipped.csv").read_text().splitlines()) == 4
    again = hw1cli("run", skipping, "--out", tmp_path / "run", "--resume", "--set", SKIP)
    assert again.returncode in (0, 2), again.stderr  # 2 where the first epoch left no checkpoint


def test_a_run_that_failed_at_a_bad_image_resumes_with_skip(stranger, skipping, damaged, tmp_path):
    """What was trained until then is what a run that skips would have trained."""
    image = sorted((damaged / "train").glob("*_sat.jpg"))[1]
    whole = train(skipping, tmp_path / "whole", SKIP, "trainer.epochs=3")
    assert whole["status"] == "done"
    train(skipping, tmp_path / "run", SKIP, "trainer.epochs=2")
    with pytest.raises(Hw1Error, match=image.name):
        train(skipping, tmp_path / "run", "trainer.epochs=3", resume=True)
    train(skipping, tmp_path / "run", SKIP, "trainer.epochs=3", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "run"))


class Anyones:
    """A stranger's split that raises what it likes."""

    names = ("a", "b")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict:
        raise KeyError("no such column")


def test_whatever_a_data_set_raises_names_the_sample():
    with pytest.raises(UnreadableImage, match="b: cannot be read: KeyError"):
        GuardedSamples(Anyones(), DataSettings())[1]


# --- before the first step ----------------------------------------------------------------------


def test_headers_show_every_unusable_file_at_once(stranger, recipe, scenes, tmp_path, hw1cli):
    root = tmp_path / "many"
    shutil.copytree(scenes, root)
    images = sorted((root / "train").glob("*_sat.jpg"))
    images[0].write_bytes(b"")
    images[1].write_text("<html>not found</html>")
    Image.new("RGB", (64, 64)).resize((9000, 9000)).save(images[2])
    images[3].unlink()
    images[3].symlink_to(root / "moved.jpg")
    mask = images[4].with_name(images[4].name.replace("_sat.jpg", "_mask.png"))
    Image.open(mask).resize((32, 32), 0).save(mask)
    out = tmp_path / "run"
    ended = hw1cli("run", recipe, "--out", out, "--set", f"data.root={root}")
    assert ended.returncode == 2 and not out.exists()
    text = " ".join(ended.stderr.split())
    assert all(path.name in text for path in (*images[:4], mask))
    for reason in ("is empty", "is not an image", "more than 64,000,000", "does not exist", "is 32x32, but its image"):
        assert reason in text
    assert "data.max_megapixels" in text and "data.on_error" in text
    skipped = train(recipe, out, f"data.root={root}", SKIP)
    assert any("5 samples could not be read" in caveat for caveat in skipped["caveats"])


def test_many_unusable_files_are_capped_and_the_time_is_bounded(tmp_path):
    class Files:
        files = tuple(tmp_path / f"{index}.jpg" for index in range(100_000))

    start = time.monotonic()
    found = faults(Files(), 10**6, seconds=0.3)
    assert 20 < len(found) < 100_000 and time.monotonic() - start < 2
    from registry.engine.inspection.headers import raise_faults

    with pytest.raises(InputError) as caught:
        raise_faults(found)
    assert len(caught.value.problems) == 22 and f"and {len(found) - 20} more files" in str(caught.value)


def test_a_picture_of_196_megapixels_takes_no_memory(stranger, recipe, scenes, tmp_path):
    root = tmp_path / "large"
    shutil.copytree(scenes, root)
    image = sorted((root / "train").glob("*_sat.jpg"))[2]
    Image.fromarray(np.zeros((14000, 14000), np.uint8)).save(image)
    mask = image.with_name(image.name.replace("_sat.jpg", "_mask.png"))
    Image.fromarray(np.zeros((14000, 14000), np.uint8)).save(mask)
    command = [sys.executable, str(ROOT / "hw1cli.py"), "run", str(recipe), "--out", str(tmp_path / "run")]
    ended = subprocess.run(
        [*command, "--set", f"data.root={root}", "--set", SKIP], capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    assert "14000 x 14000 pixels" in (tmp_path / "run" / "skipped.csv").read_text()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # kilobytes, of the largest child so far
    assert peak < 2_500_000


def test_a_class_without_training_images_is_no_secret(stranger, shapes, colored_images, tmp_path):
    images = shutil.copytree(colored_images, tmp_path / "images")
    for path in (images / "train" / "red").iterdir():
        path.unlink()
    summary = train(shapes, tmp_path / "run", f"data.root={images}", "trainer.epochs=1")
    assert "no training image is of: red" in summary["caveats"]
