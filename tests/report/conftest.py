"""Real runs to report on: two settings of a classifier, each with a seed or two, and a segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from runs import train

from plugins.folders.digits import Digits
from plugins.hw1.landcover_scenes import LandCoverScenes


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``digits/small``, ``digits/wide`` and ``scenes/one``, trained for two epochs each."""
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
        reports = "reports=[{use: pca, at: [first, last]}, {use: tsne, at: [first, last]}, confusion_matrix]"
        train(digits, folder / "runs" / "digits" / "small", reports)
        train(digits, folder / "runs" / "digits" / "wide", "model.width=8", "reports=[confusion_matrix]")
        train(scenes, folder / "runs" / "scenes" / "one")
        yield folder / "runs"
