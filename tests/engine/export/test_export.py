"""A stranger's script runs an exported model on unseen images and gets what ``predict`` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exports import as_stranger, exported
from PIL import Image
from runs import train
from scoring import call

from registry.engine.export.network import Resizing
from registry.engine.exported import open_model, read_card
from registry.engine.predict.predictor import Predictor
from registry.engine.train.saved_run import SavedRun, open_run
from registry.errors import Hw1Error, InputError


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of other sizes than the training's; some lying, larger, transparent, of 16 bits."""
    folder = tmp_path_factory.mktemp("unseen")
    generator = np.random.default_rng(7)
    for number, (height, width) in enumerate([(64, 64), (41, 59), (64, 33), (170, 100)]):
        coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    Image.fromarray(generator.integers(0, 256, (40, 40, 4), np.uint8)).save(folder / "4.png")  # transparent
    Image.fromarray(generator.integers(0, 65536, (40, 40), np.uint16)).save(folder / "5.png")
    turned = Image.Exif()
    turned[274] = 6  # orientation: turn by 90 degrees
    Image.open(folder / "1.png").save(folder / "6.jpg", exif=turned, quality=95)
    return folder


def photographs(folder: Path) -> dict[str, np.ndarray]:
    from registry.engine import read_image

    return {path.name: read_image(path) for path in sorted(folder.iterdir())}


def in_full_precision(run: Path) -> SavedRun:
    saved = open_run(run, device="cpu")
    assert saved.runtime.precision == "fp32"
    return saved


def test_a_strangers_script_gives_the_masks_of_predict(
    stranger: None, recipe: Path, tmp_path: Path, unseen: Path
) -> None:
    train(recipe, tmp_path / "run", "trainer.epochs=1")
    found = exported(tmp_path / "run", tmp_path / "out" / "scenes.onnx")
    assert found["sizes"] == "any" and found["difference"] < 1e-3
    assert [Path(name).name for name in found["files"]] == ["scenes.onnx", "scenes.md", "scenes_example.py"]
    images = photographs(unseen)
    wanted = dict(zip(images, Predictor(in_full_precision(tmp_path / "run"))(list(images.values())), strict=True))
    calls = [(unseen / name, tmp_path / f"{name}.png") for name in images]
    texts = as_stranger(tmp_path / "out" / "scenes_example.py", calls, without=("torch", "cv2"))
    assert all("'water'" in text for text in texts)
    for name, probabilities in wanted.items():
        mask = np.array(Image.open(tmp_path / f"{name}.png"))
        assert mask.shape == images[name].shape[:2]
        best = probabilities.topk(2, dim=0).values
        clear = (best[0] - best[1] > 1e-5).numpy()
        assert clear.mean() > 0.99 and (mask == probabilities.argmax(0).numpy())[clear].all()
    # The same file in place of the run: tiles, views and all.
    saved = open_model(tmp_path / "out" / "scenes.onnx", device="cpu")
    large = np.random.default_rng(0).integers(0, 256, (100, 130, 3), np.uint8)
    for flips in ((), ("h",)):
        one, other = (Predictor(each, flips=flips)([large])[0] for each in (saved, in_full_precision(tmp_path / "run")))
        assert one.shape == (7, 100, 130) and (one - other).abs().max() < 1e-4


@pytest.mark.parametrize(
    "augment",
    [
        "[]",
        "[{use: albumentations/SmallestMaxSize, max_size: 24}, {use: albumentations/CenterCrop, height: 9, width: 20}]",
    ],
)
def test_a_strangers_script_gives_the_labels_of_predict(
    augment: str, stranger: None, shapes: Path, tmp_path: Path, unseen: Path
) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1", f"augment.eval={augment}")
    exported(tmp_path / "run", tmp_path / "colors.onnx")
    images = photographs(unseen)
    wanted = Predictor(in_full_precision(tmp_path / "run"))(list(images.values()))
    texts = as_stranger(tmp_path / "colors_example.py", [(unseen / name,) for name in images], without=("torch",))
    for text, probabilities in zip(texts, wanted, strict=True):
        label, share = text.split()
        assert label == ("blue", "green", "red")[int(probabilities.argmax())]
        assert float(share) == pytest.approx(float(probabilities.max()), abs=2e-4)


@pytest.mark.parametrize("kind", ["pt2", "onnx", "safetensors"])
def test_a_file_that_is_no_export_is_refused_without_a_traceback_of_its_library(tmp_path, capfd, kind):
    path = tmp_path / f"model.{kind}"
    for content in (b"", b"no archive", bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be read|was not written by"):
            read_card(path)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["pt2", "safetensors"])
def test_the_other_formats_predict_the_same(
    kind: str, stranger: None, shapes: Path, tmp_path: Path, unseen: Path
) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    exported(tmp_path / "run", tmp_path / f"colors.{kind}")
    images = list(photographs(unseen).values())
    one, other = (
        torch.stack(Predictor(each)(images))
        for each in (in_full_precision(tmp_path / "run"), open_model(tmp_path / f"colors.{kind}", device="cpu"))
    )
    assert (one - other).abs().max() < 1e-4
    if kind == "pt2":
        assert all(as_stranger(tmp_path / "colors_example.py", [(unseen / "1.png",)], without=("onnxruntime",)))


def test_half_precision_is_half_the_size(stranger: None, shapes: Path, tmp_path: Path) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1", "model.backbone={use: timm/resnet10t, pretrained: false}")
    found = exported(tmp_path / "run", tmp_path / "small.onnx", half=True)
    weights = sum(tensor.nbytes for tensor in open_run(tmp_path / "run", device="cpu").task.model.state_dict().values())
    assert found["bytes"] < 0.6 * weights and 0 < found["difference"] < 3e-2


def test_a_network_of_one_size_is_exported_for_it(stranger: None, shapes: Path, tmp_path: Path) -> None:
    train(
        shapes,
        tmp_path / "run",
        "trainer.epochs=1",
        "augment=null",
        "model={use: timm/vit_tiny_patch16_224, pretrained: false, image_size: 16}",
    )
    assert exported(tmp_path / "run", tmp_path / "vit.onnx")["sizes"] == [16, 16]


def test_a_file_that_differs_is_refused(
    stranger: None, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights change between the prediction and the export: a stale cache, a second pathway."""
    from registry.engine.export.network import Deployed

    train(shapes, tmp_path / "run", "trainer.epochs=1")
    forward = Deployed.forward
    monkeypatch.setattr(Deployed, "forward", lambda self, images: forward(self, images // 2))
    with pytest.raises(Hw1Error, match=r"differs by .* nothing was written"):
        exported(tmp_path / "run", tmp_path / "out" / "colors.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_cannot_be_exported_is_refused(stranger: None, shapes: Path, tmp_path: Path) -> None:
    odd = "augment.eval=[{use: albumentations/PadIfNeeded, min_height: 32, min_width: 32}]"
    train(shapes, tmp_path / "run", "trainer.epochs=1", odd)
    with pytest.raises(InputError, match=r"augment\.eval: .*PadIfNeeded"):
        exported(tmp_path / "run", tmp_path / "colors.onnx")
    (tmp_path / "other.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be read"):
        read_card(tmp_path / "other.onnx")


@pytest.mark.parametrize("size", [(64, 64), (37, 53), (480, 360), (9, 8)])
def test_resizing_is_opencvs_to_the_bit(size: tuple[int, int]) -> None:
    import albumentations as A

    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    batch = torch.from_numpy(image)[None]
    resized = A.Resize(48, 40)(image=image)["image"]
    assert np.array_equal(Resizing((48, 40))(batch)[0].numpy(), resized)
    both = A.Compose([A.SmallestMaxSize(50), A.CenterCrop(40, 48)])(image=image)["image"]
    assert np.array_equal(Resizing((40, 48), short=50)(batch)[0].numpy(), both)


def test_the_commands_take_an_exported_file(stranger: None, shapes: Path, tmp_path: Path, unseen: Path) -> None:
    resize = "augment.eval=[{use: albumentations/Resize, height: 24, width: 20}]"
    train(shapes, tmp_path / "run", "trainer.epochs=1", resize)
    out = tmp_path / "colors.onnx"
    done = call("export", tmp_path / "run", "--to", "onnx", "--out", out, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["sizes"] == "any"
    assert call("export", tmp_path / "run", "--to", "onnx", "--out", out).code == 2
    labels, scores = [], []
    for number, model in enumerate((tmp_path / "run", out)):
        table, folder = tmp_path / f"{number}.csv", tmp_path / f"scores{number}"
        done = call("predict", model, unseen, "--out", table)
        assert done.code == 0, done.err
        labels.append(table.read_text())
        done = call("evaluate", model, "--out", folder, "--json")
        assert done.code == 0, done.err
        scores.append(json.loads(done.out)["scores"])
    assert labels[0] == labels[1]
    assert scores[0].keys() == scores[1].keys() and "accuracy" in scores[0]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    done = call("bench", out, "--seconds", "0.2", "--json")
    assert done.code == 0, done.err
    assert all(row["images_per_second"] > 0 for row in json.loads(done.out)["batches"])
