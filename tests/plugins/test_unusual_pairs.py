"""Unusual timm backbones below SMP decoders: one training step each, with random weights."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
import timm
import torch

from plugins.smp_zoo.models import build
from plugins.timm_zoo.modules import TimmBackbone
from registry.engine.network.contract import check_backbone, checking_backbones
from registry.errors import InputError

PAIRS = [
    ("swin_tiny_patch4_window7_224", "Unet"),
    ("test_convnext2", "FPN"),
    ("mobilevit_xxs", "DeepLabV3Plus"),
    ("mobilevitv2_050", "Linknet"),
    ("hgnetv2_b0", "Unet"),
    ("repvit_m0_9", "MAnet"),
    ("edgenext_xx_small", "DeepLabV3"),
    ("pvt_v2_b0", "Segformer"),
    ("nextvit_small", "UPerNet"),
    ("fastvit_t8", "FPN"),
    ("ghostnetv2_100", "PSPNet"),
    ("efficientvit_b0", "UnetPlusPlus"),
    ("starnet_s1", "Segformer"),
    ("mobilenetv4_conv_small_035", "PAN"),
    ("rdnet_tiny", "Linknet"),
    ("vit_tiny_patch16_224", "UPerNet"),
    ("efficientvit_m0", "FPN"),
]
#: Networks of a fixed resolution, which timm builds for another one.
FIXED = [("efficientformerv2_s0", "UnetPlusPlus"), ("coat_lite_tiny", "PSPNet"), ("nest_tiny", "FPN")]


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "decoder"), PAIRS)
def test_pair_trains(backbone: str, decoder: str) -> None:
    train_step(TimmBackbone(backbone), decoder)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "decoder"), FIXED)
def test_fixed_resolution_is_named_and_can_be_set(backbone: str, decoder: str) -> None:
    with pytest.raises(InputError, match="takes images of 224 x 224 only, and gets 64 x 64") as caught:
        train_step(TimmBackbone(backbone), decoder)
    assert "`image_size: 64`" in str(caught.value.problems[0].hint)
    train_step(TimmBackbone(backbone, image_size=64), decoder)


def train_step(backbone: torch.nn.Module, decoder: str) -> None:
    """A training step on two images of 64 x 64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # upsampling where a stride cannot become dilation
        net = build(decoder, backbone=backbone, num_classes=3)
    with checking_backbones(net):
        logits = net.train()(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 3, 64, 64)
    torch.nn.functional.cross_entropy(logits, torch.randint(0, 3, (2, 64, 64))).backward()
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in backbone.parameters())


def test_backbone_of_fixed_resolution_is_checked_at_that_size() -> None:
    backbone = TimmBackbone("efficientformerv2_s0", image_size=64)
    assert backbone.fixed_size == (64, 64) and check_backbone(backbone).strides == (4, 8, 16, 32)


def test_file_of_a_classifier_loads_as_a_backbone_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "whole.pth")
    with caplog.at_level(logging.WARNING):
        TimmBackbone("resnet10t", weights=tmp_path / "whole.pth")
    assert not caplog.records
