"""Shared by the tests: the command line as a subprocess, strangers' plugins as real installed distributions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Several pytest workers share the cores; torch's threads in each of them would only wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test session's own: nothing in the user's is read or changed."""
    monkeypatch.setenv("HW1CLI_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of this process and its children, into which plugins are installed.

    Its modules are forgotten afterwards: two tests may install different plugins of one name.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    yield folder
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Callable[..., None]:
    """install(distribution, entry_points, files): what pip leaves behind for a package, without pip."""

    def put(distribution: str, entry_points: Mapping[str, str], files: Mapping[str, str] | None = None) -> None:
        info = site / f"{distribution.replace('-', '_')}-0.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.3\n")
        lines = []
        for key, target in entry_points.items():
            kind, _, name = key.partition("/")
            lines.append(f"[hw1cli.{kind}]\n{name} = {target}\n")
        (info / "entry_points.txt").write_text("\n".join(lines))
        for name, text in (files or {}).items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    return put


#: A stranger's plugin: a torch-free spec, and a small network with three maps.
STRANGER = {
    "stranger_net/__init__.py": "",
    "stranger_net/specs.py": '''
        from registry import FromData

        def stranger_net(*, width: int = 8, in_channels: FromData[int] = 3) -> "object":
            """A stranger's small network.

            Args:
                width: channels of the first map.
            """
            from .net import Net
            return Net(width, in_channels)
        ''',
    "stranger_net/net.py": """
        from torch import nn

        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        class Net(nn.Module):
            def __init__(self, width, in_channels):
                super().__init__()
                self.channels, self.strides = (width, 2 * width, 4 * width), (4, 8, 16)
                self.stem = block(in_channels, width)
                self.stages = nn.ModuleList([block(width, width), block(width, 2 * width), block(2 * width, 4 * width)])

            def forward(self, x):
                x, maps = self.stem(x), []
                for stage in self.stages:
                    x = stage(x)
                    maps.append(x)
                return maps
        """,
}


@pytest.fixture
def stranger(install: Callable[..., None]) -> None:
    """A third party's distribution with the backbone ``stranger_net``."""
    install("stranger-nets", {"backbones/stranger_net": "stranger_net.specs:stranger_net"}, STRANGER)


@pytest.fixture
def hw1cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """hw1cli(*words): the command line in a process of its own."""
    from commands import run

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """start(*words): a command in a process of its own, which goes on until it ends or the test does."""
    from commands import Command

    with ExitStack() as stack:
        yield lambda *words, **options: stack.enter_context(closing(Command(*words, **options)))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few small land-cover scenes."""
    from plugins.hw1.landcover_scenes import LandCoverScenes

    folder = tmp_path_factory.mktemp("scenes") / "p3"
    LandCoverScenes(9, 4, 64, 0).make(folder)
    return folder


@pytest.fixture
def recipe(tmp_path: Path, scenes: Path) -> Path:
    """A tiny segmentation recipe over the scenes, with the stranger's backbone."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: segmentation, epochs: 2, batch_size: 4}}
        data: {{use: landcover, root: {scenes}}}
        model: {{use: smp/unet, backbone: stranger_net}}
        loss: focal
        augment: {{train: [albumentations/HorizontalFlip, albumentations/RandomBrightnessContrast]}}
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    return path


@pytest.fixture(scope="session")
def colored_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three plain colours with noise, in a folder for each class; copy them to change something."""
    generator, root = np.random.default_rng(0), tmp_path_factory.mktemp("colored") / "images"
    for split, count in (("train", 8), ("val", 4)):
        for channel, name in enumerate(("red", "green", "blue")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 120, (16, 16, 3), np.uint8)
                pixels[..., channel] += 100
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


@pytest.fixture
def shapes(tmp_path: Path, colored_images: Path) -> Path:
    """A recipe over the images of three colours."""
    path = tmp_path / "shapes.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: classification, epochs: 3, batch_size: 8, ema: 0.9, layer_decay: 0.8, decay: weights,
                   mixup: 0.2, cutmix: 1.0, accumulate: 2, clip_norm: 1.0}}
        data: {{use: image_folders, root: {colored_images}}}
        model: {{use: classifier, backbone: stranger_net, dropout: 0.1}}
        loss: {{use: cross_entropy, label_smoothing: 0.1}}
        optimizer: {{use: adamw, lr: 3e-3}}
        schedule: {{use: cosine, warmup: 0.1}}
        augment: {{train: [albumentations/HorizontalFlip]}}
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
    )
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Real runs: ``digits/small``, ``digits/wide`` and ``scenes/one``, trained for two epochs each."""
    from runs import train

    from plugins.folders.digits import Digits
    from plugins.hw1.landcover_scenes import LandCoverScenes

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW1CLI_CACHE", str(folder / "cache"))
        Digits(16, digits=[0, 1, 2, 3]).make(folder / "data" / "digits")
        LandCoverScenes(6, 3, 64, 0).make(folder / "data" / "scenes")
        digits, scenes = folder / "digits.yaml", folder / "scenes.yaml"
        digits.write_text(
            dedent(f"""
            trainer: {{use: classification, epochs: 2, batch_size: 64}}
            data: {{use: labelled_names, root: {folder}/data/digits}}
            model: {{use: resnet18, width: 4, stem: cifar}}
            optimizer: {{use: adamw, lr: 3e-3}}
            runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
            """)
        )
        scenes.write_text(
            dedent(f"""
            trainer: {{use: segmentation, epochs: 2, batch_size: 3}}
            data: {{use: landcover, root: {folder}/data/scenes}}
            model: {{use: smp/unet, backbone: {{use: resnet18, width: 4}}, decoder_channels: [16, 16, 8, 8, 8]}}
            loss: focal
            reports: [{{use: mask_stages, images: 2, at: [first, last]}}]
            runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
            """)
        )
        maps = "{use: pca, at: [first, last]}, {use: tsne, at: [first, last]}"
        reports = f"reports=[{maps}, confusion_matrix, architecture]"
        train(digits, folder / "runs" / "digits" / "small", reports)
        train(digits, folder / "runs" / "digits" / "wide", "model.width=8", "reports=[confusion_matrix, architecture]")
        train(scenes, folder / "runs" / "scenes" / "one")
        yield folder / "runs"
