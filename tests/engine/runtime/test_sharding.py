"""Several processes train one sharded network (FSDP2): the figures of one process, and files that one process reads."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import signal
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from runs import same, train, weights
from test_processes import figures, launch, self_supervised, wait_until
from torch.distributed.checkpoint.state_dict_saver import save

import hw1cli
from registry.catalog.registry import Registry
from registry.engine.records import checkpoints
from registry.errors import InputError
from registry.recipe.request import Request, planned

#: What each process does: the words of each training, as ``train`` takes them; ``--resume`` goes on.
TRAIN = """
import sys
from pathlib import Path
from runs import train
for line in Path(sys.argv[1]).read_text().splitlines():
    recipe, out, *sets = (word.replace("_steps", " steps") for word in line.split())
    resume = "--resume" in sets
    train(Path(recipe), Path(out), *(each for each in sets if each != "--resume"), resume=resume)
"""


def sharded(folder: Path, *trainings: str, processes: int = 2) -> None:
    (folder / "train.py").write_text(TRAIN)
    (folder / "trainings").write_text("\n".join(f"{each} runtime.strategy=fsdp2" for each in trainings))
    process = launch(str(folder / "train.py"), str(folder / "trainings"), processes=processes)
    _, text = process.communicate(timeout=500)
    assert process.returncode == 0, text


def kill_after_a_checkpoint(folder: Path, training: str) -> None:
    """Kill both processes of a training after a checkpoint within its first epochs."""
    (folder / "train.py").write_text(TRAIN)
    (folder / "killed.txt").write_text(f"{training} runtime.strategy=fsdp2")
    process = launch(str(folder / "train.py"), str(folder / "killed.txt"))
    wait_until(lambda: (folder / "killed" / "checkpoints" / "previous.pt").is_file(), process)
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (folder / "killed" / "summary.json").exists()


def damage_and_go_on(recipe: Path, run: Path, *sets: str) -> None:
    """Flip a byte of the last checkpoint's shards: one process goes on from the one before it."""
    folder = run / "checkpoints"
    name = torch.load(folder / "last.pt", weights_only=True)["shards"]["folder"]
    shard = folder / name / "__1_0.distcp"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(checkpoints.BrokenCheckpoint, match=r"__1_0.distcp is damaged"):
        checkpoints.load(folder / "last.pt")
    train(recipe, run, *sets, resume=True)
    assert "previous.pt, is used instead" in (run / "log.txt").read_text()
    assert len(list(folder.glob("shards-*"))) == 1  # of the first epoch, which is kept


@pytest.fixture
def vit(tmp_path: Path, colored_images: Path) -> Path:
    """A small ViT, with an uneven last batch, and everything that touches parameters between steps."""
    path = tmp_path / "vit.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 2, batch_size: 9, eval_batch_size: 5, ema: 0.9, layer_decay: 0.8,
                   accumulate: 2, clip_norm: 1.0, freeze: [blocks.0.norm1], keep_every: 1}}
        data: {{use: image_folders, root: {colored_images}}}
        model: {{use: timm/test_vit, pretrained: false, image_size: 16}}
        loss: cross_entropy
        optimizer: {{use: sgd, lr: 0.05}}
        reports: [confusion_matrix]
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0, gradient_checkpointing: true}}
        """)
    )
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_a_sharded_network_trains_as_one_process_does_and_goes_on_anywhere(
    tmp_path: Path, vit: Path, colored_images: Path
) -> None:
    recipes = [vit, self_supervised("byol", tmp_path, colored_images)]
    longer, other = "trainer.epochs=3", tmp_path / "other"
    for each in recipes:
        train(each, each.with_suffix(".one"))
    shutil.copytree(vit.with_suffix(".one"), other)
    run, killed, on = vit.with_suffix(".two"), tmp_path / "killed", f"{longer} --resume"
    kill_after_a_checkpoint(tmp_path, f"{vit} {killed} {longer} trainer.save_every=1_steps")
    sharded(
        tmp_path,
        *(f"{each} {each.with_suffix('.two')}" for each in recipes),
        *(f"{vit} {tmp_path / 'whole'} {longer}", f"{vit} {other} {on}", f"{vit} {killed} {on}"),
    )
    for each in recipes:
        one, two = figures(each.with_suffix(".one")), figures(each.with_suffix(".two"))
        assert len(one) == 2
        for row, found in zip(one, two, strict=False):
            limits = {name: 10.0 ** (row["epoch"] - 6) if "loss" in name else 0.02 for name in row}
            assert all(found[name] == pytest.approx(row[name], rel=limits[name]) for name in row), each.name
    # One process reads the files and goes on.
    assert same(weights(tmp_path / "whole"), weights(killed))
    sizes = {name: (run / "checkpoints" / f"{name}.pt").stat().st_size for name in ("last", "best")}
    assert sizes["last"] < 100_000 < sizes["best"]
    damage_and_go_on(vit, run, longer)
    models = [hw1cli.load(vit.with_suffix(end)) for end in (".one", ".two")]
    image = np.full((16, 16, 3), 90, np.uint8)
    one_process, of_two = (model.predict(image).probabilities for model in models)
    assert of_two == pytest.approx(one_process, abs=1e-4)
    for each in (other, run):
        torch.testing.assert_close(weights(each), weights(tmp_path / "whole"), rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("stranger")
def test_what_cannot_be_sharded_is_refused_with_its_line(shapes: Path) -> None:
    shapes.write_text(shapes.read_text().replace("precision: fp32", "strategy: fsdp2, precision: fp16"))
    sets = ("trainer.freeze=[model.backbone]", "trainer.unfreeze={model.backbone: 2}", "runtime.compile=true")
    with pytest.raises(InputError) as caught:
        planned(Request(shapes, sets=sets), Registry())
    found = {problem.path: problem for problem in caught.value.problems}
    assert set(found) == {"runtime.precision", "trainer.unfreeze", "runtime.compile"}
    line = shapes.read_text().splitlines()[(found["runtime.precision"].line or 0) - 1]
    assert "fp16" in line and found["runtime.precision"].hint == "use bf16 or fp32"


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was_run"),)


def test_shards_that_hold_code_are_refused_and_nothing_of_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, weight = tmp_path / "shards-a", torch.arange(4.0)
    save({"/task/weight": weight}, checkpoint_id=folder, no_dist=True)
    state = {"task": {"weight": weight.to("meta")}, "precision": "fp32", "memory_format": "contiguous"}

    def sealed() -> dict[str, Any]:
        files = {file.name: hashlib.blake2b(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        checkpoints.save(tmp_path / "last.pt", {**state, "shards": {"folder": folder.name, "files": files}})
        return checkpoints.load(tmp_path / "last.pt")

    assert torch.equal(sealed()["task"]["weight"], weight)
    (folder / ".metadata").write_bytes(pickle.dumps(Code()))
    with pytest.raises(checkpoints.BrokenCheckpoint, match="holds other objects than tensors"):
        sealed()
    assert not Path("was_run").exists()
