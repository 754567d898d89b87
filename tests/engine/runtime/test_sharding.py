"""Several processes train one sharded network (FSDP2): the figures of one process, and files that one process reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from runs import same, train, weights
from test_processes import figures, launch, self_supervised

import hw1cli
from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.request import Request, planned

#: What each process does: the words of each training, as ``train`` takes them; ``--resume`` goes on.
TRAIN = """
import sys
from pathlib import Path
from runs import train
for line in Path(sys.argv[1]).read_text().splitlines():
    recipe, out, *sets = line.split()
    resume = "--resume" in sets
    train(Path(recipe), Path(out), *(each for each in sets if each != "--resume"), resume=resume)
"""


def sharded(folder: Path, *trainings: str, processes: int = 2) -> None:
    (folder / "train.py").write_text(TRAIN)
    (folder / "trainings").write_text("\n".join(f"{each} runtime.strategy=fsdp2" for each in trainings))
    process = launch(str(folder / "train.py"), str(folder / "trainings"), processes=processes)
    _, text = process.communicate(timeout=300)
    assert process.returncode == 0, text


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
    tmp_path: Path, vit: Path, recipe: Path, colored_images: Path
) -> None:
    recipe.write_text(recipe.read_text() + "optimizer: {use: sgd, lr: 0.001}\n")
    recipes = [vit, recipe, self_supervised("byol", tmp_path, colored_images)]
    longer, other = "trainer.epochs=3", tmp_path / "other"
    for each in recipes:
        train(each, each.with_suffix(".one"))
    shutil.copytree(vit.with_suffix(".one"), other)
    two, on = vit.with_suffix(".two"), f"{longer} --resume"
    sharded(
        tmp_path,
        *(f"{each} {each.with_suffix('.two')}" for each in recipes),
        *(f"{vit} {tmp_path / 'whole'} {longer}", f"{vit} {other} {on}", f"{vit} {two} {on}"),
    )
    for each in recipes:
        one, two = figures(each.with_suffix(".one")), figures(each.with_suffix(".two"))
        assert len(one) == 2
        for row, found in zip(one, two, strict=False):
            limits = {name: 10.0 ** (row["epoch"] - 6) if "loss" in name else 0.02 for name in row}
            assert all(found[name] == pytest.approx(row[name], rel=limits[name]) for name in row), each.name
    # The files are those of one process: it reads them, and goes on.
    assert same(weights(tmp_path / "whole"), weights(vit.with_suffix(".two")))
    one, two = (hw1cli.load(vit.with_suffix(end)) for end in (".one", ".two"))
    image = np.full((16, 16, 3), 90, np.uint8)
    assert one.predict(image).probabilities == pytest.approx(two.predict(image).probabilities, abs=1e-4)
    for name, tensor in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(other)[name], tensor, rtol=1e-3, atol=1e-4)


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
