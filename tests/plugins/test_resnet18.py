"""The ResNet-18 written by hand is the one that everybody means."""

from __future__ import annotations

import pytest
import timm
import torch

from plugins.hw1.resnet18 import ResNet18, ResNet18Backbone
from registry.engine import check_backbone


def test_timms_weights_give_timms_outputs() -> None:
    torch.manual_seed(0)
    theirs, ours = timm.create_model("resnet18", num_classes=7).eval(), ResNet18(7).eval()
    for buffer in theirs.buffers():  # statistics that a fresh network does not have
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-5)
        pooled = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
        assert torch.allclose(ours.features(images), pooled, atol=1e-5)


@pytest.mark.parametrize(("stem", "strides"), [("imagenet", (4, 8, 16, 32)), ("cifar", (1, 2, 4, 8))])
def test_it_keeps_the_contract_of_backbones(stem: str, strides: tuple[int, ...]) -> None:
    backbone = ResNet18Backbone(3, stem)  # type: ignore[arg-type]
    check_backbone(backbone, "resnet18", 3)
    assert backbone.strides == strides
    sizes = [tuple(found.shape[1:]) for found in backbone.eval()(torch.zeros(1, 3, 64, 32))]
    assert sizes == [(c, 64 // s, 32 // s) for c, s in zip(backbone.channels, strides, strict=True)]


def test_classifier_and_backbone_share_their_weights() -> None:
    classifier, backbone = ResNet18(5), ResNet18Backbone()
    missing, left = backbone.load_state_dict(classifier.state_dict(), strict=False)
    assert not missing and left == ["fc.weight", "fc.bias"]


def test_a_narrow_one_has_an_eighth_of_the_channels_everywhere() -> None:
    narrow, wide = ResNet18Backbone(width=8).state_dict(), ResNet18Backbone().state_dict()
    assert narrow.keys() == wide.keys()
    assert all(8 * len(narrow[name]) == len(wide[name]) for name in wide if wide[name].dim())
    assert [each.shape[1] for each in ResNet18Backbone(width=8).eval()(torch.zeros(1, 3, 32, 32))] == [8, 16, 32, 64]


def test_blocks_may_begin_as_their_shortcuts() -> None:
    torch.manual_seed(0)
    zero, plain = (ResNet18Backbone(width=8, zero_init_residual=on).eval() for on in (True, False))
    x = torch.rand(2, 8, 16, 16)
    for number, fresh in enumerate((zero, plain)):
        assert torch.equal(fresh.layer1(x), x) == (number == 0)
