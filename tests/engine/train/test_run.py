"""Runs from beginning to end, with real components: what is written, and that nothing depends on chance."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from rich.console import Console
from runs import events, same, train, weights

from registry.catalog.registry import Registry
from registry.engine.records import checkpoints
from registry.engine.train import demo
from registry.engine.train.session import execute
from registry.errors import InputError, PluginError
from registry.recipe.request import Request, planned


def test_run_folder_records_everything(stranger: None, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    summary = train(recipe, out, "reports=[{use: mask_stages, images: 2}]")
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert summary["status"] == "done" and summary["epochs"] == 2 and not summary["demo"] and summary["seed"] == 0
    assert {"train_loss", "val_loss", "miou", "pixel_accuracy"} <= set(summary["last"])
    assert summary["best"]["miou"] == max(float(row["miou"]) for row in csv.DictReader((out / "metrics.csv").open()))
    assert summary["images_per_second"] > 0 and summary["wall_seconds"] > 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2] and rows[-1]["lr"] == 1e-3
    plan = json.loads((out / "plan.json").read_text())
    backbone = plan["trainer"]["arguments"]["model"]["arguments"]["backbone"]
    assert (backbone["distribution"], backbone["version"]) == ("stranger-nets", "0.3")
    assert backbone["arguments"] == {"width": 8, "in_channels": 3, "weights": None}
    assert (
        json.loads((out / "environment.json").read_text())["libraries"]["torch"] == torch.__version__.partition("+")[0]
    )
    assert (out / "checkpoints" / "best.pt").exists() and (out / "recipe.yaml").exists()
    assert Image.open(out / "figures" / "mask_stages.png").width > 500
    scalars, images = events(out)
    assert set(scalars) >= {"train/loss", "val/loss", "val/miou", "run/lr"} and scalars["val/miou"] == [1, 2]
    assert set(images) >= {"val/0", "reports/mask_stages"}


def test_same_seed_gives_same_run_and_another_seed_another(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "a")
    train(recipe, tmp_path / "b")
    train(recipe, tmp_path / "c", "seed=1")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_measured_precision_is_reused_by_the_next_run(stranger: None, recipe: Path, tmp_path: Path) -> None:
    automatic = "runtime={workers: 0}"
    first = train(recipe, tmp_path / "a", automatic)
    second = train(recipe, tmp_path / "b", automatic)
    assert (first["precision"], first["memory_format"]) == (second["precision"], second["memory_format"])
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(
    stranger: None, recipe: Path, tmp_path: Path, workers: int
) -> None:
    from registry.engine.build import build, build_transform
    from registry.engine.data.augmented import Augmented
    from registry.engine.data.loader import EpochOrder, make_loader

    plan = planned(Request(recipe), Registry())
    samples = build(plan.data, {}).split("train")

    def batches(count: int) -> list:
        data = Augmented(samples, build_transform(plan.augment["train"], {}), seed=3)
        order = EpochOrder(len(data), 4, seed=5)
        loader = make_loader(data, order, workers=count, pin_memory=False)
        found = []
        for epoch in (1, 2):
            order.start(epoch)
            found += list(loader)
        return found

    alone, together = batches(0), batches(workers)
    assert len(alone) == len(together) == 6
    for one, other in zip(alone, together, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["image"], other["image"]) and torch.equal(one["mask"], other["mask"])
    assert [batch["name"] for batch in alone[:3]] != [batch["name"] for batch in alone[3:]]


def test_each_epoch_and_image_gets_its_own_augmentation(scenes: Path) -> None:
    import albumentations

    from registry.engine.data.augmented import Augmented

    class Same:
        names = ("x",) * 4

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> dict:
            return {"image": np.full((8, 8, 3), 100, np.uint8), "name": "x"}

    data = Augmented(Same(), albumentations.Compose([albumentations.RandomBrightnessContrast(p=1)]), seed=0)
    pictures = {data[(epoch, index)]["image"].tobytes() for epoch in (1, 2) for index in range(4)}
    assert len(pictures) > 4
    assert data[(1, 2)]["image"].tobytes() == data[(1, 2)]["image"].tobytes()


@pytest.mark.parametrize("kill_signal", [signal.SIGTERM, signal.SIGKILL])
def test_killed_run_resumes_bit_exact(
    stranger: None, start: Any, recipe: Path, tmp_path: Path, kill_signal: signal.Signals
) -> None:
    longer = ["trainer.epochs=12", "model={use: smp/deeplabv3, backbone: stranger_net}", "runtime.workers=1"]
    train(recipe, tmp_path / "whole", *longer)
    out = tmp_path / "killed"
    words = [word for each in longer for word in ("--set", each)]
    process = start("run", recipe, "--out", out, *words)
    process.until(out / "metrics.csv")
    os.killpg(process.pid, kill_signal)  # the loader's workers get it, too
    _, stderr = process.communicate(timeout=60)
    if kill_signal == signal.SIGTERM:
        assert process.returncode == 75, stderr
        assert "--resume" in stderr
        assert json.loads((out / "summary.json").read_text())["status"] == "stopped"
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["epoch"] < 12
    with pytest.raises(InputError, match="already holds a run"):
        train(recipe, out, *longer)
    if (out / "checkpoints" / "last.pt").exists():
        summary = train(recipe, out, *longer, resume=True)
        assert summary["status"] == "done" and summary["epochs"] == 12
        assert same(weights(tmp_path / "whole"), weights(out))
        assert [row["epoch"] for row in csv.DictReader((out / "metrics.csv").open())] == [str(n) for n in range(1, 13)]


def test_demo_shows_its_caveats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["make={use: landcover, train: 4, validation: 3, size: 64}", "trainer.epochs=1", "trainer.batch_size=2"]
    plan = planned(Request(ROOT / "recipes" / "seg_deeplab_focal.yaml", sets=small, demo=True), Registry())
    summary = execute(plan, Console(width=100), out=tmp_path / "run")
    output = capsys.readouterr().out
    assert "DEMO" in output and "timm/resnet10t starts from random weights" in output
    assert summary["demo"] is True and any("random weights" in notice for notice in summary["caveats"])
    assert Image.open(tmp_path / "run" / "figures" / "mask_stages.png").height > 300


def test_resuming_with_another_recipe_is_refused(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    with pytest.raises(InputError, match="1e-05 now") as caught:
        train(recipe, tmp_path / "run", "optimizer={use: adamw, lr: 1e-5}", resume=True)
    assert caught.value.problems[0].path == "optimizer.lr" and "recipe.yaml" in str(caught.value.problems[0].hint)
    summary = train(tmp_path / "run" / "recipe.yaml", tmp_path / "run", "trainer.epochs=2", resume=True)
    assert summary["epochs"] == 2 and any("trainer.epochs was 1, is 2" in notice for notice in summary["caveats"])


def test_damaged_checkpoint_is_reported(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    for name in ("last.pt", "previous.pt"):
        path = tmp_path / "run" / "checkpoints" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(checkpoints.BrokenCheckpoint, match="damaged"):
        train(recipe, tmp_path / "run", resume=True)


def test_batch_normalisation_never_gets_a_batch_of_one(stranger: None, recipe: Path, tmp_path: Path) -> None:
    deeplab = "model={use: smp/deeplabv3, backbone: stranger_net}"
    summary = train(recipe, tmp_path / "nine_by_four", deeplab, "trainer.epochs=1")  # 9 images leave one over
    assert any("leaves out its last one" in notice for notice in summary["caveats"])
    with pytest.raises(InputError, match="batch of one image") as caught:
        train(recipe, tmp_path / "single", deeplab, "trainer.batch_size=1")
    assert caught.value.problems[0].path == "trainer.batch_size" and not (tmp_path / "single").exists()


def test_third_party_backbone_works_in_a_classifier(stranger: None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, number in (("train", 12), ("val", 6)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for index in range(number):
                pixels = rng.integers(0, 100, (32, 32, 3)) + 140 * label
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / split / name / f"{index}.png")
    path = tmp_path / "cls.yaml"
    path.write_text(
        f"trainer: {{use: classification, epochs: 8, batch_size: 8}}\n"
        f"data: {{use: image_folders, root: {tmp_path / 'data'}}}\n"
        "model: {use: classifier, backbone: stranger_net}\noptimizer: {use: adamw, lr: 1e-2}\n"
    )
    assert train(path, tmp_path / "run")["best"]["accuracy"] > 0.9


def test_accumulated_batches_make_one_step(stranger: None, recipe: Path, tmp_path: Path) -> None:
    """With a net whose batches do not see each other, 2 x 4 images are the same step as 8."""
    still = [
        "model={use: smp/unet, backbone: timm/test_convnext, decoder_use_norm: false}",
        "augment={}",
        "trainer.epochs=1",
    ]
    still += ["optimizer={use: sgd, lr: 0.1}", "loss={use: cross_entropy, ignore_index: null}"]
    train(recipe, tmp_path / "eight", *still, "trainer.batch_size=8")
    train(recipe, tmp_path / "four", *still, "trainer.batch_size=4", "trainer.accumulate=2")
    one, other = weights(tmp_path / "eight"), weights(tmp_path / "four")
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def test_unreadable_file_stops_the_run_and_is_named(stranger: None, recipe: Path, scenes: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(scenes, copy)
    victim = sorted((copy / "train").glob("*_sat.jpg"))[3]
    victim.write_bytes(victim.read_bytes()[:400])
    from registry.errors import Hw1Error

    with pytest.raises(Hw1Error, match=victim.name):
        train(recipe, tmp_path / "run", f"data.root={copy}", "runtime.workers=1")


def test_failing_report_does_not_stop_training(stranger: None, recipe: Path, tmp_path: Path, install) -> None:
    install(
        "bad-report",
        {"reports/fails": "bad_report:fails"},
        {
            "bad_report.py": """
            class Fails:
                at = ["first"]
                def __call__(self, run, epoch):
                    raise RuntimeError("no figure today")

            def fails() -> "object":
                "Fails."
                return Fails()
            """
        },
    )
    with pytest.raises(PluginError, match="no figure today"):
        train(recipe, tmp_path / "run", "reports=[fails]")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "done" and summary["epochs"] == 2 and "no figure today" in summary["failures"][0]


@pytest.mark.parametrize(
    ("change", "path", "word"),
    [
        ("metrics=[accuracy]", "metrics", "miou"),
        ("model={use: classifier, backbone: stranger_net}", "model", "(B, classes, H, W)"),
        ("model={use: smp/unet, backbone: stranger_net, decoder_channels: [16, 8]}", "model", "decoder_channels"),
        ("loss={use: cross_entropy, weights: [1, 2]}", "loss.weights", "7 classes"),
        ("augment={train: [{use: albumentations/Resize, height: 0, width: 8}]}", "augment.train.0.height", "greater"),
        ("augment={train: [{use: albumentations/RandomCrop, height: 99, width: 99}]}", "augment", "64x64"),
        ("augment={train: [albumentations/Normalize]}", "augment", "Normalize"),
    ],
)
def test_errors_found_by_building_or_rehearsal_are_input_errors_and_write_nothing(
    stranger: None, recipe: Path, tmp_path: Path, change: str, path: str, word: str
) -> None:
    with pytest.raises(InputError) as caught:
        train(recipe, tmp_path / "run", change)
    problem = caught.value.problems[0]
    assert problem.path == path and word in f"{problem.message} {problem.hint}"
    assert not (tmp_path / "run").exists()


def test_backbone_that_breaks_its_contract_is_named(recipe: Path, tmp_path: Path, install) -> None:
    source = """
        from torch import nn

        class Liar(nn.Module):
            def __init__(self):
                super().__init__()
                self.channels, self.strides = (8, 16), (4, 8)
                self.conv = nn.Conv2d(3, 8, 4, 4)

            def forward(self, x):
                x = self.conv(x)
                return [x, x]

        def liar() -> "object":
            "Promises what it does not give."
            return Liar()
        """
    install("liar", {"backbones/liar": "liar_net:liar"}, {"liar_net.py": source})
    with pytest.raises(PluginError, match="Liar"):
        train(recipe, tmp_path / "run", "model.backbone=liar")
    assert not (tmp_path / "run").exists()


def test_a_model_that_returns_a_dict_is_named_with_what_is_expected(recipe: Path, tmp_path: Path, install: Any) -> None:
    source = """
        from torch import nn
        from registry import FromData

        class Dict(nn.Module):
            def __init__(self, classes):
                super().__init__()
                self.conv = nn.Conv2d(3, classes, 1)

            def forward(self, x):
                return {"out": self.conv(x)}

        def dict_model(*, num_classes: FromData[int]) -> "object":
            "Returns a dict."
            return Dict(num_classes)
        """
    install("dict-model", {"models/dict_model": "dict_net:dict_model"}, {"dict_net.py": source})
    with pytest.raises(PluginError, match=r"'dict_model' of dict-model .* a dict with the keys 'out'; expected logits"):
        train(recipe, tmp_path / "run", "model=dict_model")
    assert not (tmp_path / "run").exists()


def test_resuming_from_the_run_folders_recipe_keeps_the_name(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    summary = train(tmp_path / "run" / "recipe.yaml", tmp_path / "run", "trainer.epochs=2", resume=True)
    assert (summary["name"], summary["recipe"]) == ("tiny", str(recipe))


def test_changed_code_of_a_generator_gives_new_data(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(Request(ROOT / "recipes" / "seg_deeplab_focal.yaml", demo=True), Registry())
    before = demo.reading_generated_data(plan).data.arguments["root"]
    monkeypatch.setattr("registry.recipe.plan.provenance_of", lambda _component: {"source": "blake2b:changed"})
    assert demo.reading_generated_data(plan).data.arguments["root"] != before
