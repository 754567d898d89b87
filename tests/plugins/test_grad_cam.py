"""Grad-CAM: the heat is where the evidence is, and the report draws right and wrong images."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from runs import train
from torch import nn

from plugins.reports.grad_cam import grad_cam
from registry.errors import InputError


class RedOrBlue(nn.Module):
    """Logits: how much red, how much blue, each found by a map of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 2, 4, 4, bias=False), nn.ReLU())
        with torch.no_grad():
            self.maps[0].weight.zero_()
            self.maps[0].weight[0, 0] = self.maps[0].weight[1, 2] = 1 / 16

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.maps(images).mean((2, 3))


def test_heat_is_where_the_evidence_of_the_class_is() -> None:
    images = torch.zeros(1, 3, 32, 32)
    images[0, 0, :8, :8] = images[0, 2, 24:, 16:24] = 1  # red at the top left, blue at the bottom
    net = RedOrBlue().train()
    red, blue = (grad_cam(net, images, of_class)[0] for of_class in (0, 1))
    assert red.shape == (32, 32) and red.max() == blue.max() == 1 and red.min() == 0
    assert red[2, 2] > 0.9 and red[28, 20] == 0 and blue[28, 20] > 0.9 and blue[2, 2] == 0
    assert net.training and all(part.training for part in net.modules())


def test_named_layer_and_a_model_without_maps() -> None:
    net = timm.create_model("resnet18", num_classes=3).eval()
    images = torch.randn(2, 3, 64, 64)
    last = grad_cam(net, images, 1)
    assert torch.equal(last, grad_cam(net, images, 1, "layer4")) and last.shape == (2, 64, 64)
    assert not torch.allclose(last, grad_cam(net, images, 1, "layer2"))
    with pytest.raises(InputError, match="not a module"):
        grad_cam(net, images, 1, "layer5")
    transformer = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3)
    with pytest.raises(InputError, match="ends in no map"):
        grad_cam(transformer, images[..., :32, :32], 1)


def test_report_draws_right_and_wrong_images_of_a_frozen_backbone_too(
    stranger: None, shapes: Path, tmp_path: Path
) -> None:
    plain = ("trainer={use: classification, epochs: 2, batch_size: 8, freeze: [backbone]}", "augment={}")
    train(shapes, tmp_path / "run", *plain, "reports=[{use: grad_cam, images: 8, at: [last]}]")
    figure = Image.open(tmp_path / "run" / "figures" / "grad_cam.png")
    assert figure.width > 700
    with pytest.raises(InputError, match=r"trainer\.freeze"):
        train(shapes, tmp_path / "none", "trainer.epochs=1", "model.freeze=backbone", "reports=[grad_cam]")
    assert not (tmp_path / "none").exists()
