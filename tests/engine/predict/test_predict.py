"""A finished run predicts new images: masks in tiles and whole, labels in tables, whatever is among the inputs."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from rich.console import Console
from runs import train
from torch.nn import functional as F

from registry.engine.data.masks import read_index_mask
from registry.engine.predict import Settings, predict
from registry.engine.predict.tiles import TileBlender, Tiling, stretch
from registry.engine.predict.views import Views
from registry.engine.train.saved_run import SavedRun, open_run
from registry.errors import Hw1Error, InputError

COLORS = np.array(
    [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)], np.uint8
)

#: Models that see one pixel, what is around it, or the whole image's mean; none bears an image that is white all over.
PIXELWISE = {
    "pixelwise/__init__.py": "",
    "pixelwise/window.py": '''
        from registry import FromData

        def pixels(*, num_classes: FromData[int]) -> "object":
            """Each pixel by itself."""
            from .net import Net
            return Net(num_classes, 1, False)

        def around(*, num_classes: FromData[int]) -> "object":
            """Each pixel and what is near."""
            from .net import Net
            return Net(num_classes, 9, False)

        def means(*, num_classes: FromData[int]) -> "object":
            """The image's mean."""
            from .net import Net
            return Net(num_classes, 1, True)
        ''',
    "pixelwise/net.py": """
        from torch import nn

        class Net(nn.Module):
            def __init__(self, classes, side, pooled):
                super().__init__()
                self.mean, self.std = (0.5,) * 3, (0.1,) * 3
                self.conv, self.pooled = nn.Conv2d(3, classes, side, padding=side // 2), pooled

            def forward(self, x):
                if (x > 4.9).flatten(1).all(1).any():
                    raise RuntimeError("snow-blind")
                return self.conv(x.mean((2, 3), keepdim=True)).flatten(1) if self.pooled else self.conv(x)
        """,
}


@pytest.fixture
def pixelwise(install: Callable[..., None]) -> None:
    windows = {f"models/{name}": f"pixelwise.window:{name}" for name in ("pixels", "around", "means")}
    install("pixelwise", windows, PIXELWISE)


@pytest.fixture
def masker(pixelwise: None, recipe: Path, tmp_path: Path) -> SavedRun:
    """A segmentation run over scenes of 64 pixels."""
    train(recipe, tmp_path / "masker", "model=pixels", "trainer.epochs=1")
    return open_run(tmp_path / "masker", device="cpu")


@pytest.fixture
def labeller(pixelwise: None, tmp_path: Path) -> SavedRun:
    """A classification run that knows red, green and blue."""
    for split in ("train", "val"):
        for channel, name in enumerate(("blue", "green", "red")):
            for index in range(4):
                save(tmp_path / "plain" / split / name / f"{index}.png", noise((16, 16), index, 2 - channel))
    path = tmp_path / "labels.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 30, batch_size: 4}}
        data: {{use: image_folders, root: {tmp_path / "plain"}}}
        model: means
        loss: cross_entropy
        optimizer: {{use: adamw, lr: 0.1}}
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    train(path, tmp_path / "labeller")
    return open_run(tmp_path / "labeller", device="cpu")


def noise(size: tuple[int, int], seed: int, channel: int | None = None) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 120, (*size, 3), np.uint8)
    if channel is not None:
        pixels[..., channel] += 100
    return pixels


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def done(saved: SavedRun, out: Path, *inputs: Any, **settings: Any) -> dict[str, Any]:
    console = Console(file=io.StringIO(), width=200)
    summary = predict(saved, Settings(inputs=[str(each) for each in inputs], out=out, **settings), console)
    return {**summary, "output": console.file.getvalue()}  # type: ignore[attr-defined]


def whole(saved: SavedRun, image: np.ndarray) -> np.ndarray:
    """The classes of an image that goes through the model in one piece."""
    return saved.logits([image])[0].argmax(0).numpy()


# --- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0, 0.25, 0.7])
def test_tiles_of_a_model_that_sees_single_pixels_make_the_mask_of_the_whole(
    masker: SavedRun, tmp_path: Path, overlap: float
) -> None:
    sizes = [(64, 64), (65, 64), (40, 300), (301, 50), (257, 190), (1, 1), (3, 129)]
    images = [save(tmp_path / "in" / f"{index}.png", noise(size, index)) for index, size in enumerate(sizes)]
    done(masker, tmp_path / "out", tmp_path / "in", mask_format="index", overlap=overlap, batch_size=5)
    found: set[int] = set()
    for path in images:
        mask = read_index_mask(tmp_path / "out" / f"{path.stem}_mask.png")
        assert np.array_equal(mask, whole(masker, np.array(Image.open(path))))
        found |= set(np.unique(mask).tolist())
    assert len(found) > 3


def test_an_image_of_the_size_seen_is_predicted_whole_and_a_larger_one_is_not(
    pixelwise: None, recipe: Path, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "run", "model=around", "trainer.epochs=1")
    saved = open_run(tmp_path / "run", device="cpu")
    assert saved.facts["image_sizes"] == {"train": [64, 64], "val": [64, 64]}
    images = {size: save(tmp_path / "in" / f"{size[0]}.png", noise(size, 0)) for size in ((64, 64), (130, 64))}
    done(saved, tmp_path / "out", tmp_path / "in", scores=True)
    scores = {size: np.load(tmp_path / "out" / f"{size[0]}_scores.npy") for size in images}
    expected = {size: saved.logits([noise(size, 0)])[0].softmax(0).numpy() for size in images}
    assert np.allclose(scores[64, 64], expected[64, 64], atol=1e-3)
    assert scores[130, 64].dtype == np.float16 and scores[130, 64].shape == (7, 130, 64)
    assert np.allclose(scores[130, 64].sum(0), 1, atol=4e-3)
    assert not np.allclose(scores[130, 64], expected[130, 64], atol=1e-3)  # its middle was seen in tiles


def test_masks_lie_as_their_images_do_in_the_classes_colours(masker: SavedRun, tmp_path: Path) -> None:
    photo = noise((70, 90), 1)
    save(tmp_path / "in" / "deep" / "0013_sat.png", photo)
    save(tmp_path / "in" / "0013_sat.png", photo)
    save(tmp_path / "in" / "0013_mask.png", photo)
    (tmp_path / "in" / "0014_sat.jpg").write_bytes(b"not an image")
    summary = done(masker, tmp_path / "in" / "out", tmp_path / "in", recursive=True, overlays=True)
    again = done(masker, tmp_path / "in" / "out", tmp_path / "in", recursive=True, overlays=True)
    assert (
        summary["images"] == again["images"] == 3 and summary["predicted"] == 2 and "0013_mask.png" in summary["output"]
    )
    assert [Path(each["file"]).name for each in summary["failed"]] == ["0014_sat.jpg"]
    written = sorted(p.relative_to(tmp_path / "in" / "out").as_posix() for p in (tmp_path / "in" / "out").rglob("*.*"))
    assert written == [
        "0013_mask.png",
        "0013_overlay.jpg",
        "deep/0013_mask.png",
        "deep/0013_overlay.jpg",
        "failures.csv",
    ]
    mask = np.array(Image.open(tmp_path / "in" / "out" / "deep" / "0013_mask.png"))
    assert np.array_equal(mask, COLORS[whole(masker, photo)])
    seen = np.array(Image.open(tmp_path / "in" / "out" / "0013_overlay.jpg"), int)
    assert np.abs(seen - (0.4 * photo + 0.6 * mask)).mean() < 10


def test_a_resized_image_gets_its_mask_in_its_own_size(pixelwise: None, recipe: Path, tmp_path: Path) -> None:
    resize = "augment.eval=[{use: albumentations/Resize, height: 48, width: 80}, albumentations/HorizontalFlip]"
    train(recipe, tmp_path / "run", "model=pixels", "trainer.epochs=1", resize, "trainer.eval_batch_size=1")
    saved = open_run(tmp_path / "run", device="cpu")
    save(tmp_path / "x.png", noise((203, 151), 4))
    summary = done(saved, tmp_path / "out", tmp_path / "x.png", mask_format="index")
    assert "skipped from augment.eval" in summary["output"] and "HorizontalFlip" in summary["output"]
    import cv2

    small = saved.logits([cv2.resize(noise((203, 151), 4), (80, 48), interpolation=cv2.INTER_LINEAR)]).softmax(1)
    expected = F.interpolate(small, size=(203, 151), mode="bilinear")[0].argmax(0).numpy()
    assert (read_index_mask(tmp_path / "out" / "x_mask.png") == expected).mean() > 0.999


def test_tiles_are_as_large_as_the_images_seen_and_of_sides_that_networks_take() -> None:
    tiling = Tiling.of({"train": [256, 256], "val": [360, 480]}, None, 0.25)
    assert tiling.tile_for((360, 480)) == (360, 480)  # whole and unpadded, as in the evaluation
    assert tiling.tile_for((100, 200)) == (128, 224) and tiling.tile_for((4000, 33)) == (360, 64)
    assert Tiling.of({"train": [300, 200], "val": [200, 300]}, None, 0.25).tile == (320, 320)
    assert Tiling.of({"val": [360, 480]}, 250, 0.25).tile_for((360, 480)) == (256, 256)
    assert Tiling.of({}, None, 0.25).tile_for((513, 20)) == (512, 32)


def test_tiles_are_blended_in_a_strip_with_weights_that_sum_to_one() -> None:
    image = np.zeros((1000, 300, 3), np.uint8)
    given: list[tuple[int, torch.Tensor]] = []
    blender = TileBlender(image, (64, 96), 0.25, lambda top, rows: given.append((top, rows.clone())))
    for position, _ in blender.cut(image):
        blender.take(position, torch.ones(2, 64, 96))
        assert blender._strip is None or blender._strip.shape == (2, 64, 300)
    tops = [top for top, _ in given]
    assert tops == sorted(tops) and len(tops) == len(blender.rows.starts) > 15
    assert max(rows.shape[1] for _, rows in given) <= 64
    assert torch.allclose(torch.cat([rows for _, rows in given], 1), torch.ones(2, 1000, 300), atol=1e-5)
    starts = blender.columns.starts
    assert starts[0] == 0 and starts[-1] == 300 - 96 and max(np.diff(starts)) <= 72


def test_stretching_in_strips_is_interpolation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.engine.predict.tiles._STRIP", 5000)
    small = torch.rand(3, 17, 23)
    strips = list(stretch(small, (211, 97)))
    assert len(strips) > 5
    stretched = torch.cat([rows for _, rows in strips], 1)
    assert torch.allclose(stretched, F.interpolate(small[None], size=(211, 97), mode="bilinear")[0], atol=1e-5)


def test_flips_are_undone_and_scales_brought_back(masker: SavedRun, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run", "model=around", "trainer.epochs=1")
    saved, image = open_run(tmp_path / "run", device="cpu"), noise((64, 96), 3)
    flipped = [np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(image[::-1])]
    plain, mirrored, upside_down = (Views(saved, ["h", "v"])([each])[0] for each in (image, *flipped))
    assert torch.allclose(mirrored.flip(-1), plain, atol=1e-5) and torch.allclose(
        upside_down.flip(-2), plain, atol=1e-5
    )
    assert not torch.allclose(Views(saved)([image])[0], plain, atol=1e-3)
    # A model of single pixels predicts the same for a smooth image at any size.
    ramp = np.linspace(60, 200, 128).astype(np.uint8)
    smooth = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[::-1], (64, 1)), np.full((64, 128), 90, np.uint8)], -1)
    unscaled, scaled = Views(masker)([smooth]), Views(masker, ["h"], [0.5, 2])([smooth])
    assert scaled.shape == unscaled.shape and torch.allclose(scaled, unscaled, atol=0.05)


def test_a_failing_model_leaves_whole_files_only(masker: SavedRun, tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "in" / f"{index}.png", noise((200, 70), index))
    white = noise((200, 70), 9)
    white[130:] = 255
    save(tmp_path / "in" / "3.png", white)
    with pytest.raises(Hw1Error, match=r"fails on .* 64x64: RuntimeError: snow-blind"):
        done(masker, tmp_path / "out", tmp_path / "in", batch_size=1, scores=True)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert "0_mask.png" in left and not [name for name in left if name.startswith((".", "3"))]


# --- labels -------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_are_class_names_in_the_order_of_the_files(labeller: SavedRun, tmp_path: Path) -> None:
    wanted = {}
    for index in range(25):
        side, channel = (16, 20, 24)[index % 3], index % 2
        save(tmp_path / "in" / f"{index:02}.png", noise((side, 16), index, channel))
        wanted[f"{index:02}.png"] = ("red", "green")[channel]
    (tmp_path / "in" / "11.png").write_bytes(b"")
    summary = done(labeller, tmp_path / "new" / "out.csv", tmp_path / "in", scores=True, batch_size=4, flips=["h"])
    rows = rows_of(tmp_path / "new" / "out.csv")
    assert list(rows[0]) == ["filename", "label", "blue", "green", "red"]
    assert {row["filename"]: row["label"] for row in rows} == {**wanted, "11.png": ""}
    assert [row["filename"] for row in rows] == sorted(wanted)
    for row in rows[:11] + rows[12:]:
        scores = {name: float(row[name]) for name in ("blue", "green", "red")}
        assert sum(scores.values()) == pytest.approx(1, abs=1e-4) and max(scores, key=scores.get) == row["label"]  # type: ignore[arg-type]
    assert (summary["kind"], summary["images"], summary["predicted"]) == ("labels", 25, 24)
    assert rows_of(tmp_path / "new" / "out_failures.csv")[0]["file"].endswith("11.png")
    (tmp_path / "in" / "11.png").unlink()
    done(labeller, tmp_path / "new" / "out.csv", tmp_path / "in")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["out.csv"]


def test_a_csv_keeps_its_rows_and_columns(labeller: SavedRun, tmp_path: Path) -> None:
    for name, channel in (("a", 0), ("b", 1)):
        save(tmp_path / "photos" / f"{name}.png", noise((16, 16), 0, channel))
    table = tmp_path / "test.csv"
    table.write_text("id,filename,label,note\n7,b.png,None,x\n9,gone.png,None,\n8,a.png,None,z\n10,b.png,None,\n")
    summary = done(labeller, tmp_path / "out", table, images=tmp_path / "photos")
    written = (tmp_path / "out" / "predictions.csv").read_text()
    assert written == "id,filename,label,note\n7,b.png,green,x\n9,gone.png,None,\n8,a.png,red,z\n10,b.png,green,\n"
    assert [each["file"] for each in summary["failed"]] == [str(tmp_path / "photos" / "gone.png")]
    with pytest.raises(InputError, match=r"names 4 files, and none exists"):
        done(labeller, tmp_path / "out", table)
    with pytest.raises(InputError, match="is the input"):
        done(labeller, table, table, images=tmp_path / "photos")


# --- inputs -------------------------------------------------------------------------------------


def test_nothing_is_overwritten_or_skipped_silently(masker: SavedRun, tmp_path: Path) -> None:
    photo = noise((64, 64), 0)
    for name in ("a/1.png", "a/1.jpg", "b/1.png", "c/x_mask.png", "d/deeper/x.png"):
        save(tmp_path / name, photo)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    with pytest.raises(InputError, match="would be written twice"):
        done(masker, out, tmp_path / "a")
    with pytest.raises(InputError, match="would be written twice"):
        done(masker, out, tmp_path / "a" / "1.png", tmp_path / "b")
    with pytest.raises(InputError, match="is an input, which would be overwritten"):
        done(masker, tmp_path / "c", tmp_path / "c" / "x_mask.png", save(tmp_path / "x.png", photo))
    with pytest.raises(InputError, match="has no images") as caught:
        done(masker, out, tmp_path / "empty", tmp_path / "d", tmp_path / "none", str(tmp_path / "*.gif"))
    messages = [(problem.message, problem.hint) for problem in caught.value.problems]
    assert [message for message, _ in messages] == ["has no images"] * 2 + ["does not exist", "matches no images"]
    assert ".png" in str(messages[0][1]) and "--recursive" in str(messages[1][1])
    assert not out.exists()
    done(masker, out, str(tmp_path / "?" / "**" / "*.png"))
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.png")} == {
        *("a/1_mask.png", "b/1_mask.png", "c/x_mask_mask.png", "d/deeper/x_mask.png")
    }


# --- the command line and the course's scripts --------------------------------------------------


def script(name: str, *words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "scripts" / name), *map(str, words)]
    variables = {**os.environ, "PYTHON": sys.executable, "COLUMNS": "200", **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240)


def test_the_scripts_take_the_courses_arguments(labeller: SavedRun, tmp_path: Path) -> None:
    run = str(labeller.folder.path)
    save(tmp_path / "photos" / "0 1.png", noise((16, 16), 0, 0))
    ended = script("hw1_1.sh", tmp_path / "photos", tmp_path / "one.csv", HW1_1_RUN=run)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "one.csv").read_text() == "filename,label\n0 1.png,red\n"
    (tmp_path / "photos" / "2.png").write_bytes(b"x")
    (tmp_path / "in.csv").write_text("id,filename,label\n5,0 1.png,None\n6,2.png,None\n")
    ended = script("hw1_2.sh", tmp_path / "in.csv", tmp_path / "photos", tmp_path / "two.csv", HW1_2_RUN=run)
    assert ended.returncode == 1 and "2.png: is not an image" in ended.stdout
    assert (tmp_path / "two.csv").read_text() == "id,filename,label\n5,0 1.png,red\n6,2.png,None\n"
    ended = script("hw1_1.sh", tmp_path / "photos", tmp_path / "x.csv", HW1_1_RUN=str(tmp_path / "none"))
    assert ended.returncode == 2 and f"{tmp_path / 'none'} is not a run folder; set HW1_1_RUN" in ended.stderr
    ended = script("hw1_3.sh", tmp_path / "photos")
    assert ended.returncode == 2 and "usage" in ended.stderr and "IMG_DIR OUT_DIR" in ended.stderr


def test_the_third_script_and_json(
    masker: SavedRun, hw1cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    save(tmp_path / "photos" / "0013_sat.jpg", noise((80, 70), 0))
    shutil.move(masker.folder.path, tmp_path / "moved run")
    ended = script("hw1_3.sh", tmp_path / "photos", tmp_path / "out", HW1_3_RUN=str(tmp_path / "moved run"))
    assert ended.returncode == 0, ended.stderr
    mask = np.array(Image.open(tmp_path / "out" / "0013_mask.png"))
    assert np.array_equal(mask, COLORS[whole(masker, np.array(Image.open(tmp_path / "photos" / "0013_sat.jpg")))])
    words = ("predict", tmp_path / "moved run", tmp_path / "photos", "--out", tmp_path / "more", "--json")
    ended = hw1cli(*words, "--flips", "h,v", "--scales", "1,1.5", "--tile", "64", "--mask-format", "index")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert summary["predicted"] == 1 and summary["kind"] == "masks" and summary["out"] == str(tmp_path / "more")
    assert set(np.unique(read_index_mask(tmp_path / "more" / "0013_mask.png"))) <= set(range(7))
    for option, value in (("--flips", "x"), ("--scales", "0"), ("--scales", "1,two")):
        ended = hw1cli(*words, option, value)
        assert ended.returncode == 2 and f"{option}: expected" in ended.stderr
