"""The FCN-32s written by hand: any size, bilinear at the start, VGG-16's weights in their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import VGG, make_layers

from plugins.hw1.fcn32s import FCN32s
from plugins.hw1.specs import fcn32s
from registry.catalog.spec import ComponentSpec
from registry.errors import InputError

SMALL: dict[str, Any] = {"width": 0.125, "fc_channels": 24}


@pytest.fixture(autouse=True)
def one_thread():
    # Small layers: threads that wait for each other on a busy machine cost more than they bring.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_vgg(batch_norm: bool = False) -> VGG:
    """torchvision's VGG-16 at the width of ``SMALL``, with its biases and statistics shaken."""
    torch.manual_seed(3)
    stages = [(8, 8), (16, 16), (32, 32, 32), (64, 64, 64), (64, 64, 64)]
    vgg = VGG(make_layers([each for stage in stages for each in (*stage, "M")], batch_norm))
    vgg.classifier = nn.Sequential(
        *(nn.Linear(64 * 49, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 24), nn.ReLU(), nn.Dropout()), nn.Linear(24, 9)
    )
    for name, tensor in vgg.state_dict().items():
        if name.endswith("bias"):
            tensor.normal_(0, 0.1)
        elif "running" in name:
            tensor.uniform_(0.5, 1.5)
    return vgg.eval()


def in_timms_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    found = {}
    for key, tensor in state.items():
        layer, _, leaf = key.rpartition(".")
        if layer in names and leaf == "weight" and layer != "classifier.6":
            side = 7 if layer == "classifier.0" else 1
            tensor = tensor.reshape(len(tensor), -1, side, side)
        found[f"{names.get(layer, layer)}.{leaf}"] = tensor
    return found


@pytest.mark.parametrize(("size", "batch_norm"), [((64, 96), True), ((65, 97), False), ((1, 33), False)])
def test_logits_have_the_size_of_the_image_and_every_layer_learns(size: tuple[int, int], batch_norm: bool) -> None:
    torch.manual_seed(0)
    net = fcn32s(num_classes=5, batch_norm=batch_norm, **SMALL)
    nn.init.normal_(net.score.weight)  # at zero nothing before it learns in the first step
    logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


def test_the_paper_gives_the_geometry() -> None:
    with torch.device("meta"):
        net = FCN32s(21)
    assert net(torch.empty(1, 3, 512, 512, device="meta")).shape == (1, 21, 512, 512)
    assert net.features(torch.empty(1, 3, 512, 512, device="meta")).shape == (1, 512, 23, 23)  # as in Caffe
    sizes = {
        name: tuple(cast(Tensor, layer.weight).shape)
        for name, layer in net.named_children()
        if hasattr(layer, "weight")
    }
    assert sizes == {
        "fc6": (4096, 512, 7, 7),
        "fc7": (4096, 4096, 1, 1),
        "score": (21, 4096, 1, 1),
        "upsample": (21, 21, 64, 64),
    }


def test_upsampling_starts_as_bilinear_interpolation() -> None:
    upsample = FCN32s(2, **SMALL).upsample
    ramp = torch.stack([torch.arange(6.0).repeat(5, 1), torch.full((5, 6), 3.0)])[None]
    expected = F.interpolate(ramp, scale_factor=32, mode="bilinear")
    with torch.no_grad():
        found = upsample(ramp)[..., 16:-16, 16:-16]
    # the outermost cells have no neighbour to interpolate with
    assert torch.allclose(found[..., 16:-16, 16:-16], expected[..., 16:-16, 16:-16], atol=1e-4)


def test_a_mirrored_image_gives_mirrored_logits() -> None:
    """Only where the crop is right to the pixel."""
    torch.manual_seed(0)
    net = FCN32s(2, **SMALL).eval()
    nn.init.normal_(net.score.weight)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data += layer.weight.data.flip(-1)
    # 122 pixels and the padding are 320, a multiple of the stride: no pooling meets a rest on one side
    image = torch.randn(1, 3, 40, 122)
    with torch.no_grad():
        logits, mirrored = net(image), net(image.flip(-1))
    assert logits.std() > 0.01
    assert torch.allclose(mirrored.flip(-1), logits, atol=1e-4 * float(logits.abs().max()))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("form", ["torchvision.pth", "timm.safetensors"])
def test_vggs_weights_give_vggs_activations(tmp_path: Path, form: str, batch_norm: bool) -> None:
    vgg = small_vgg(batch_norm)
    state = vgg.state_dict()
    if form.startswith("timm"):
        save_file(in_timms_names(state), tmp_path / form)
    else:
        # torchvision's own files are older than this counter
        torch.save({key: each for key, each in state.items() if "num_batches" not in key}, tmp_path / form)
    net = fcn32s(num_classes=2, weights=tmp_path / form, batch_norm=batch_norm, **SMALL).eval()
    images = torch.randn(2, 3, 224, 224)
    cast(nn.Conv2d, net.features[0]).padding = (1, 1)  # VGG's own
    with torch.no_grad():
        pooled = net.features(images)
        assert torch.allclose(pooled, vgg.features(images), atol=1e-5)
        last = net.relu(net.norm7(net.fc7(net.relu(net.norm6(net.fc6(pooled))))))
        assert last.shape == (2, 24, 1, 1) and last.std() > 0.01
        assert torch.allclose(last.flatten(1), vgg.classifier[:5](vgg.features(images).flatten(1)), atol=1e-5)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_whole_network_takes_the_published_weights_names_and_shapes(
    batch_norm: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "vgg16_bn" if batch_norm else "vgg16"
    file = tmp_path / "model.safetensors"
    file.touch()
    asked: list[str] = []

    def require(hub: str, *_: Any, **__: Any) -> Path:
        asked.append(hub)
        return file

    monkeypatch.setattr("plugins.hw1.vgg_weights.require_weights", require)
    for published in (timm.create_model, torchvision.models.get_model):
        with torch.device("meta"):
            state = published(name).state_dict()
            monkeypatch.setattr("timm.models.load_state_dict", lambda *_, state=state, **__: state)
            fcn32s(num_classes=2, pretrained=True, batch_norm=batch_norm)
    assert asked == [f"timm/{name}.tv_in1k"] * 2
    assert timm.models.get_pretrained_cfg(f"{name}.tv_in1k").hf_hub_id == asked[0]


def test_images_of_other_channels(tmp_path: Path) -> None:
    vgg = small_vgg()
    torch.save(vgg.state_dict(), tmp_path / "vgg.pth")
    grey = fcn32s(num_classes=2, in_channels=1, weights=tmp_path / "vgg.pth", **SMALL)
    assert torch.allclose(grey.features[0].weight[:, 0], vgg.features[0].weight.sum(1), atol=1e-6)
    assert len(grey.mean) == len(grey.std) == 1


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = small_vgg().state_dict()
    del state["features.28.bias"]
    state |= {"features.31.weight": torch.zeros(1), "classifier.3.weight": torch.zeros(5, 24)}
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    with pytest.raises(InputError) as caught:
        fcn32s(num_classes=2, weights=path, **SMALL)
    message = str(caught.value)
    assert "missing: features.28.bias; left over: features.31.weight; of another shape: fc7.weight" in message
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"vgg\.pth cannot be read"):
        fcn32s(num_classes=2, weights=path, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pretrained": True}, r"pretrained: .*fcn32s \(vgg16\) are missing.*timm/vgg16\.tv_in1k"),
        ({"pretrained": True, "batch_norm": True}, r"timm/vgg16_bn\.tv_in1k"),
        ({"pretrained": True, "width": 0.5}, r"no pretrained weights of VGG-16 with width 0\.5"),
        ({"pretrained": True, "weights": Path("gone.pth")}, r"weights: gone\.pth does not exist"),
    ],
)
def test_missing_weights_are_reported_before_anything_is_built(
    arguments: dict, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    spec = ComponentSpec.of(fcn32s)
    defaults = {each.name: each.default for each in spec.parameters if not each.supplied}
    assert spec.preflight is not None
    spec.preflight(defaults)
    with pytest.raises(InputError, match=message):
        spec.preflight({**defaults, **arguments})
