"""SMP's architectures over any backbone, its encoders as backbones, and its losses under the contract of a loss."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugins.smp_zoo.adapter import BackboneEncoder
from plugins.smp_zoo.specs import backbones, losses, models
from plugins.timm_zoo.specs import backbones as timm_backbones
from registry.catalog.spec import REQUIRED
from registry.engine.network.contract import check_maps, describe_backbone, normalization_of
from registry.errors import InputError

smp = pytest.importorskip("segmentation_models_pytorch")

ARCHITECTURES = (
    *("unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet"),
    *("deeplabv3", "deeplabv3plus", "pan", "upernet", "segformer", "dpt"),
)
LOSSES = ("dice", "focal", "jaccard", "lovasz", "mcc", "soft_bce", "soft_ce", "tversky")
PYRAMIDS = ((4, 8, 16, 32), (2, 4, 8, 16, 32), (4, 8, 16), (8, 16, 32), (4, 16), (1, 2), (8,))
#: The widths that make an architecture quick; the geometry stays SMP's own.
SMALL: dict[str, dict[str, Any]] = {
    "dpt": {"decoder_intermediate_channels": [8, 8, 8, 8], "decoder_fusion_channels": 8},
    "fpn": {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32, "decoder_dropout": 0.0},
    "pspnet": {"psp_out_channels": 16, "psp_dropout": 0.0},
    "segformer": {"decoder_segmentation_channels": 16},
    "upernet": {"decoder_channels": 16},
    "deeplabv3": {"decoder_channels": 16, "decoder_aspp_dropout": 0.0},
    "deeplabv3plus": {"decoder_channels": 16, "decoder_aspp_dropout": 0.0},
    **{name: {"decoder_channels": [32, 16, 16, 8, 8]} for name in ("unet", "unetplusplus", "manet")},
}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW1CLI_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Many tiny steps: threads that wait for each other on a busy machine cost more than they bring.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


class Stranger(nn.Module):
    """A backbone by somebody who knows the contract and nothing else; its widths are no round numbers."""

    def __init__(self, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        self.channels = tuple(6 + 5 * index for index in range(len(strides)))
        self.mean, self.std = (0.4, 0.5, 0.6), (0.2, 0.2, 0.2)
        stages, width, stride = [], 3, 1
        for channels, wanted in zip(self.channels, strides, strict=True):
            layers: list[nn.Module] = []
            while stride < wanted:
                layers += [nn.Conv2d(width, channels, 3, 2, 1), nn.BatchNorm2d(channels), nn.ReLU()]
                width, stride = channels, 2 * stride
            layers += [nn.Conv2d(width, channels, 3, 1, 1), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def trained(net: nn.Module, steps: int = 3) -> tuple[list[float], nn.Module]:
    """Losses of a few steps on two images whose one half differs from the other."""
    torch.manual_seed(1)
    images = torch.randn(2, 3, 64, 64) * 0.1
    target = torch.zeros(2, 64, 64, dtype=torch.long)
    images[..., 32:] += 1
    target[..., 32:] = 1
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    values = []
    for _ in range(steps):
        logits = net(images)
        assert logits.shape == (2, 2, 64, 64)
        loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values, net


def test_names_are_all_that_smp_has() -> None:
    assert set(models.names()) == set(ARCHITECTURES) == set(smp.MODEL_ARCHITECTURES_MAPPING)
    assert set(losses.names()) == set(LOSSES)
    assert set(backbones.names()) == set(smp.encoders.get_encoder_names())


def test_windows_show_smps_parameters_and_none_of_its_encoders() -> None:
    spec = models.spec("deeplabv3")
    shown = {parameter.name: parameter for parameter in spec.parameters}
    assert shown["backbone"].required and shown["num_classes"].supplied and not shown["num_classes"].required
    assert shown["encoder_output_stride"].default == 8 and "Rethinking Atrous" in spec.doc
    for name in ARCHITECTURES:
        for parameter in models.spec(name).parameters:
            assert parameter.name not in ("encoder_name", "encoder_weights", "classes", "activation", "aux_params")
    shown = {parameter.name: parameter for parameter in losses.spec("tversky").parameters}
    assert shown["ignore_index"].default is None and shown["ignore_index"].supplied and "mode" not in shown
    assert shown["num_classes"].default is REQUIRED and "FPs" in shown["alpha"].doc


def test_the_window_is_torch_free() -> None:
    program = (
        "import sys; from plugins.smp_zoo.specs import models, backbones, losses;"
        "[[zoo.spec(n).parameters for n in zoo.names()] for zoo in (models, backbones, losses)];"
        "print([m for m in ('torch', 'timm', 'segmentation_models_pytorch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_trains_over_a_stranger(name: str) -> None:
    torch.manual_seed(0)
    net = models.spec(name)(backbone=Stranger((4, 8, 16, 32)), num_classes=2, **SMALL.get(name, {}))
    values, net = trained(net, 5)
    assert values[-1] < values[0], values
    for part in (net.net.encoder, net.net.decoder, net.net.segmentation_head):
        gradients = [each.grad for each in part.parameters() if each.grad is not None]
        assert gradients and all(torch.isfinite(each).all() for each in gradients)
        assert sum(float(each.abs().sum()) for each in gradients) > 0
    assert normalization_of(net) == ((0.4, 0.5, 0.6), (0.2, 0.2, 0.2))


@pytest.mark.parametrize("strides", PYRAMIDS, ids=str)
def test_every_architecture_takes_every_pyramid_and_any_size(strides: tuple[int, ...]) -> None:
    images = torch.randn(2, 3, 41, 70)
    for name in ARCHITECTURES:
        net = models.spec(name)(backbone=Stranger(strides), num_classes=3, **SMALL.get(name, {}))
        logits = net(images)
        assert logits.shape == (2, 3, 41, 70), name
        logits.square().mean().backward()
        used = [each.grad for each in net.net.encoder.parameters() if each.grad is not None]
        assert used and all(torch.isfinite(each).all() for each in used), name


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_trains_over_timm(name: str) -> None:
    torch.manual_seed(0)
    backbone = timm_backbones.spec("resnet10t")()
    net = models.spec(name)(backbone=backbone, num_classes=2, **SMALL.get(name, {}))
    before = backbone.net.conv1[0].weight.detach().clone()
    values, _ = trained(net, 2)
    assert values[1] == values[1] and not torch.equal(before, backbone.net.conv1[0].weight)


@pytest.mark.parametrize("backbone", ["swin_tiny_patch4_window7_224", "test_vit"])
def test_channels_last_and_transformers(backbone: str) -> None:
    net = models.spec("unet")(backbone=timm_backbones.spec(backbone)(), num_classes=2, **SMALL["unet"])
    values, _ = trained(net.to(memory_format=torch.channels_last), 2)
    assert all(value == value for value in values)


def test_levels_that_a_backbone_lacks_are_filled_as_documented() -> None:
    backbone = Stranger((8, 32))
    encoder = BackboneEncoder(backbone, 5).eval()
    images = torch.randn(1, 3, 64, 96)
    maps, levels = backbone.eval()(images), encoder(images)
    assert [tuple(each.shape) for each in levels] == [
        (1, channels, 64 >> level, 96 >> level) for level, channels in enumerate(encoder.out_channels)
    ]
    assert levels[1].shape[1] == 0
    torch.testing.assert_close(levels[2], F.interpolate(maps[0], scale_factor=2.0, mode="bilinear"))
    assert torch.equal(levels[3], maps[0]) and torch.equal(levels[5], maps[1])
    torch.testing.assert_close(levels[4], F.avg_pool2d(maps[0], 2))


def test_deeplab_dilates_a_strangers_net_and_keeps_its_weights() -> None:
    backbone = Stranger((4, 8, 16, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = models.spec("deeplabv3")(backbone=backbone, num_classes=2, **SMALL["deeplabv3"]).eval()
    assert net.net.encoder.backbone is backbone and backbone.strides == (4, 8, 8, 8)
    assert net.net.encoder(torch.zeros(1, 3, 64, 64))[-1].shape[-1] == 8


def test_same_seed_same_weights_and_keys_without_private_names() -> None:
    def build() -> nn.Module:
        torch.manual_seed(5)
        return models.spec("unet")(backbone=Stranger((4, 8, 16, 32)), num_classes=2)

    known = set(smp.encoders.get_encoder_names())
    one, other = build(), build()
    assert set(smp.encoders.get_encoder_names()) == known
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    assert not any("hw1cli" in key for key in one.state_dict()) and one.net.name == "unet"


def test_depth_and_widths_go_together_and_smps_refusals_are_the_users_to_mend() -> None:
    shallow = models.spec("unet")(backbone=Stranger((2, 4, 8)), num_classes=2, encoder_depth=3)
    assert shallow(torch.randn(1, 3, 20, 20)).shape == (1, 2, 20, 20)
    fpn = models.spec("fpn")(backbone=Stranger((2, 4, 8, 16)), num_classes=2, encoder_depth=4, **SMALL["fpn"])
    assert fpn(torch.randn(1, 3, 64, 64)).shape == (1, 2, 64, 64)
    with pytest.raises(InputError, match="decoder_channels"):
        models.spec("unet")(backbone=Stranger((4, 8)), num_classes=2, decoder_channels=[8, 8])


@pytest.mark.parametrize(("name", "strides"), [("resnet18", (2, 4, 8, 16, 32)), ("mit_b0", (4, 8, 16, 32))])
def test_smps_own_encoders_are_backbones(name: str, strides: tuple[int, ...]) -> None:
    net = backbones.spec(name)(in_channels=4).eval()
    assert describe_backbone(net).strides == strides
    check_maps(net(torch.randn(1, 4, 64, 96)), describe_backbone(net), (64, 96), name)
    assert len(normalization_of(net)[0]) == 4
    assert describe_backbone(backbones.spec("resnet18")(output_stride=8)).strides == (2, 4, 8)


def test_smps_weights_offline_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from huggingface_hub import constants
    from safetensors.torch import save_file

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    spec = backbones.spec("mobilenet_v2")
    with pytest.raises(InputError, match=r"smp/mobilenet_v2 are missing.*smp-hub/mobilenet_v2.imagenet"):
        spec(pretrained=True)
    with pytest.raises(InputError, match="no weights 'image'") as caught:
        spec(pretrained="image")
    assert "imagenet" in str(caught.value)
    settings = smp.encoders.encoders["mobilenet_v2"]["pretrained_settings"]["imagenet"]
    folder = tmp_path / "models--smp-hub--mobilenet_v2.imagenet" / "snapshots" / settings["revision"]
    folder.mkdir(parents=True)
    source = smp.encoders.get_encoder("mobilenet_v2", weights=None)
    save_file(source.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}))
    net = spec(pretrained=True)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in net.encoder.state_dict().items())
    assert normalization_of(net) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_change_nothing(name: str, classes: int) -> None:
    if (name, classes) in (("mcc", 4), ("soft_ce", 1)):
        with pytest.raises(InputError, match=r"two classes|compares classes"):
            losses.spec(name)(num_classes=classes)
        return
    torch.manual_seed(0)
    logits = torch.randn(2, classes, 6, 5, requires_grad=True)
    target = torch.randint(0, max(classes, 2), (2, 6, 5))
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[:, :, 3:] = True
    masked = target.masked_fill(ignored, 255)
    loss = losses.spec(name)(num_classes=classes, ignore_index=255)
    value = loss(logits, masked)
    value.backward()
    assert value.shape == () and logits.grad is not None
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()
    assert (logits.grad[..., 3:] == 0).all() and (logits.grad[..., :3] != 0).any()
    without = losses.spec(name)(num_classes=classes)(logits[..., :3], target[..., :3])
    torch.testing.assert_close(value, without)
    other = torch.where(ignored[:, None], torch.full_like(logits, 1e4), logits)
    torch.testing.assert_close(loss(other, masked), value)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_ignored_pixels_is_a_zero_with_a_graph(name: str) -> None:
    logits = torch.full((2, 2, 4, 4), float("inf"), requires_grad=True)
    value = losses.spec(name)(num_classes=2, ignore_index=6)(logits, torch.full((2, 4, 4), 6))
    value.backward()
    assert value.item() == 0 and logits.grad is not None and (logits.grad == 0).all()


def test_losses_agree_with_torch_where_they_are_the_same() -> None:
    logits, target = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    smooth = losses.spec("soft_ce")(num_classes=3, smooth_factor=0.1)(logits, target)
    torch.testing.assert_close(smooth, F.cross_entropy(logits, target, label_smoothing=0.1))
    torch.testing.assert_close(
        losses.spec("soft_ce")(num_classes=3, smooth_factor=0.0, ignore_index=2)(logits, target),
        F.cross_entropy(logits, target, ignore_index=2),
    )
    hot = F.one_hot(target, 3).movedim(-1, 1).float()
    factors = [1.0, 2.0, 3.0]
    torch.testing.assert_close(
        losses.spec("soft_bce")(num_classes=3, pos_weight=factors)(logits, target),
        F.binary_cross_entropy_with_logits(logits, hot, pos_weight=torch.tensor(factors).view(3, 1, 1)),
    )
    one_image = losses.spec("lovasz")(num_classes=3, per_image=True, ignore_index=0)
    half = torch.stack([target[0].clamp(min=1), torch.zeros(5, 5, dtype=torch.long)])
    torch.testing.assert_close(one_image(logits, half), one_image(logits[:1], half[:1]))


def test_wrong_labels_and_weights_are_named() -> None:
    focal = losses.spec("focal")(num_classes=3)
    with pytest.raises(InputError, match="label 255, but there are 3 classes") as caught:
        focal(torch.randn(1, 3, 2, 2), torch.tensor([[[0, 255], [1, 2]]]))
    assert "ignore_index: 255" in str(caught.value)
    with pytest.raises(InputError, match="2 numbers for 3 classes"):
        losses.spec("dice")(num_classes=3, class_weights=[1.0, 2.0])
