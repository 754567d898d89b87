"""timm's models by name: read without timm, built with it, and missing weights answered quickly."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from plugins.timm_zoo import accuracies
from plugins.timm_zoo import names as timm_names
from plugins.timm_zoo.facts import facts
from plugins.timm_zoo.specs import backbones, models
from plugins.timm_zoo.tables import Weights
from registry.catalog.spec import Zoo
from registry.engine.network.contract import check_maps, describe_backbone, normalization_of
from registry.errors import InputError

timm = pytest.importorskip("timm")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW1CLI_CACHE", str(tmp_path_factory.mktemp("cache")))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


def test_names_are_timms_own() -> None:
    found = timm_names.tags_by_architecture()
    assert set(found) == set(timm.list_models())
    tagged = {f"{name}.{tag}" if tag else name for name, tags in found.items() for tag in tags}
    assert tagged == set(timm.list_models(pretrained=True))
    for name, tags in found.items():
        config = timm.get_pretrained_cfg(name)
        if tags and config.has_weights:
            assert tags[0] == (config.tag or ""), name
    assert set(timm_names.names()) >= {"resnet50", "resnet50.a1_in1k"}


def test_the_window_is_torch_free() -> None:
    program = (
        "import sys; from plugins.timm_zoo.specs import models, backbones;"
        "w = models.spec('resnet18'); n = list(backbones.names());"
        "assert [p.name for p in w.parameters][0] == 'num_classes' and len(n) > 3000;"
        "print([m for m in ('torch', 'timm', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tables_agree_with_timm_on_every_model() -> None:
    for name, tags in timm_names.weights_by_tag().items():
        for tag in tags or [""]:
            full, recorded = timm_names.weights_of(f"{name}.{tag}" if tag else name)
            timms = timm.get_pretrained_cfg(full)
            for key in set(Weights.__annotations__) - {"hf_hub_id", "url"}:
                value = getattr(timms, key)
                assert recorded.get(key) == (list(value) if isinstance(value, tuple) else value), (full, key)
            assert recorded.get("hf_hub_id") == timms.hf_hub_id, full


def test_accuracies_are_of_weights_that_there_are() -> None:
    table = accuracies._table()
    assert set(table) <= set(timm_names.names()) and len(table) > 500
    for name, measured in table.items():
        config = timm.get_pretrained_cfg(name)
        assert {each.image_size for each in measured} <= {(config.test_input_size or (0, 0))[1], config.input_size[1]}
        assert all(50 < each.top1 < each.top5 < 100 for each in measured) or name.startswith("test_"), name
    assert accuracies.accuracies_of("resnet18.tv_in1k") == [accuracies.Accuracy(224, 69.752, 89.080)]


def _described(name: str) -> dict[str, dict[str, str]]:
    """What ``describe`` shows of a name in a fresh process: kind -> details, and what was imported for it."""
    program = (
        "import json, sys; from registry.cli.commands.describe import describe_components as describe;"
        f"details = {{each['kind']: each['details'] for each in describe({name!r}, None)}};"
        "details['imported'] = [m for m in ('torch', 'timm', 'numpy') if m in sys.modules]; print(json.dumps(details))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_describe_gives_size_images_weights_and_imports_timm_once() -> None:
    first, second = _described("timm/tf_efficientnetv2_s.in1k"), _described("timm/tf_efficientnetv2_s.in1k")
    assert "torch" in first.pop("imported") and not second.pop("imported") and first == second
    model, backbone = first["models"], first["backbones"]
    assert model["parameters"] == "21.46 M, with a last layer of 1000 classes"
    assert (backbone["parameters"], backbone["maps"]) == (
        "19.85 M",
        "strides 2, 4, 8, 16, 32; channels 24, 48, 64, 160, 256",
    )
    assert model["input"] == "3 channels, 300 x 300 pixels; evaluated at 384 x 384 pixels"
    assert model["normalization"].startswith("mean 0.5, 0.5, 0.5; std 0.5, 0.5, 0.5")
    assert model["resizing"] == "bicubic, central crop 1 of the image's side"
    assert model["ImageNet top-1"].startswith("83.90 % at 384 px, 83.17 % at 300 px")
    assert model["licence of the weights"] == "apache-2.0"
    assert "https://huggingface.co/timm/tf_efficientnetv2_s.in1k" in model["these weights"]
    assert model["weights"] == "in21k_ft_in1k (the default), in1k, in21k"


@pytest.mark.parametrize(
    ("name", "has", "text"),
    [
        ("resnet50", "these weights", "resnet50.a1_in1k, https://huggingface.co/timm/resnet50.a1_in1k"),
        ("efficientnetv2_s", "weights", "none: `pretrained` works only with a local file"),
        ("resnet18.fb_ssl_yfcc100m_ft_in1k", "licence of the weights", "cc-by-nc-4.0"),
        ("convit_tiny", "maps", "strides 16; channels 192"),
    ],
)
def test_facts_of_the_default_tag_and_of_what_is_lacking(name: str, has: str, text: str) -> None:
    details = facts("backbones", name)
    assert details[has].startswith(text)
    assert ("ImageNet top-1" in details) == (name not in ("efficientnetv2_s", "convit_tiny"))


def test_listing_again_reads_a_cache(hw1cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    hw1cli("list", "backbones", "timm/*v2*")
    start = time.perf_counter()
    again = hw1cli("list", "backbones", "timm/*v2*")
    listed = time.perf_counter() - start
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    assert "timm/tf_efficientnetv2_s.in1k" in again.stdout and listed < time.perf_counter() - start


@pytest.mark.parametrize(
    ("name", "strides", "arguments"),
    [
        ("resnet18", (2, 4, 8, 16, 32), {}),
        ("resnet18", (2, 4, 8), {"output_stride": 8}),
        ("resnet18", (4, 16), {"out_indices": [1, 3]}),
        ("test_convnext", (4, 8, 16, 32), {"drop_path_rate": 0.1}),
        ("tf_mobilenetv3_small_minimal_100", (2, 4, 8, 16, 32), {"in_channels": 4}),
        ("test_vit", (16,), {"image_size": 96}),
        ("swin_tiny_patch4_window7_224", (4, 8, 16, 32), {}),
        ("vgg11", (1, 2, 4, 8, 16, 32), {}),
    ],
)
def test_a_backbone_keeps_the_contract(name: str, strides: tuple[int, ...], arguments: dict) -> None:
    channels = arguments.get("in_channels", 3)
    net = backbones.spec(name)(**arguments).eval()
    promised = describe_backbone(net)
    assert promised.strides == strides
    with torch.no_grad():
        check_maps(net(torch.randn(1, channels, 64, 96)), promised, (64, 96), name)
    mean, std = normalization_of(net)
    assert len(mean) == len(std) == channels
    if channels == 3:
        assert mean == tuple(timm.get_pretrained_cfg(name).mean)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "test_convnext", "swin_tiny_patch4_window7_224", "test_vit", "efficientnet_b0", "vgg11"),
        *("mobilenetv3_small_050", "mobilenetv4_conv_small", "regnetx_002", "densenet121"),
    ],
)
def test_a_classifier_gives_logits_and_the_layer_before(name: str) -> None:
    net = models.spec(name)(num_classes=7).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert net(images).shape == (2, 7)
        features = net.features(images)
        last = net.net.get_classifier()
        torch.testing.assert_close(last(features), net(images))
    assert features.shape == (2, last.in_features)


def test_networks_know_the_images_of_their_weights() -> None:
    net = models.spec("test_vit")(num_classes=2)
    assert normalization_of(net) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)) and net.input_size == (3, 160, 160)
    assert backbones.spec("tf_efficientnetv2_s.in1k")().input_size == (3, 300, 300)
    assert backbones.spec("test_vit")(in_channels=4, image_size=96).input_size == (4, 96, 96)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_local_weights(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    source = timm.create_model("test_resnet", num_classes=7)
    path = tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(source.state_dict(), path)
    same = models.spec("test_resnet")(num_classes=7, weights=path)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in same.net.state_dict().items())
    fewer = models.spec("test_resnet")(num_classes=3, weights=path)
    assert torch.equal(fewer.net.conv1[0].weight, source.conv1[0].weight) and fewer.net.num_classes == 3
    backbone = backbones.spec("test_resnet")(weights=path)
    assert torch.equal(backbone.net["conv1"][0].weight, source.conv1[0].weight)
    with pytest.raises(InputError, match="as weights of test_convnext"):
        models.spec("test_convnext")(num_classes=7, weights=path)
    with pytest.raises(InputError, match="there is no file"):
        models.spec("test_resnet")(num_classes=7, weights=tmp_path / "nothing.pth")


@pytest.mark.parametrize(
    ("zoo", "name", "arguments", "path", "text"),
    [
        (backbones, "levit_128", {"output_stride": 8}, "output_stride", "no such option"),
        (backbones, "resnet18", {"out_indices": [9]}, "out_indices", "no feature maps [9]"),
        (backbones, "vgg11", {"drop_path_rate": 0.1}, "drop_path_rate", "no such option"),
        (models, "test_resnet", {"num_classes": 2, "image_size": 64}, "image_size", "no such option"),
        (models, "resnet18", {"num_classes": 2, "pretrained": "a1_in1"}, "pretrained", "did you mean 'a1_in1k'"),
        (models, "efficientnetv2_s", {"num_classes": 2, "pretrained": True}, "pretrained", "no pretrained weights"),
    ],
)
def test_what_timm_cannot_do_is_the_users_to_mend(zoo: Zoo, name: str, arguments: dict, path: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        zoo.spec(name)(**arguments)
    assert caught.value.problems[0].path == path and text in str(caught.value)


def _answer(environment: dict[str, str], tmp_path: Path, name: str = "resnet18") -> tuple[str, float]:
    """What asking for pretrained weights says in a fresh process, and the seconds after the imports."""
    program = (
        "import time\nfrom plugins.timm_zoo.specs import models, backbones\nimport plugins.timm_zoo.modules\n"
        "import huggingface_hub.file_download\nfrom registry.errors import InputError\nstart = time.perf_counter()\n"
        f"try:\n    models.spec({name!r})(num_classes=2, pretrained=True)\n"
        "except InputError as error:\n    print(time.perf_counter() - start, error)\n"
    )
    settings = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path), **environment}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=settings, check=True)
    seconds, _, text = done.stdout.partition(" ")
    return text, float(seconds)


def test_offline_is_answered_at_once(tmp_path: Path) -> None:
    text, seconds = _answer({"HF_HUB_OFFLINE": "1"}, tmp_path)
    assert seconds < 3
    for word in ("timm/resnet18", "timm/resnet18.a1_in1k", "model.safetensors", "weights: PATH", "pretrained: false"):
        assert word in text
    assert "HF_HUB_OFFLINE" in text


def test_a_hub_that_never_answers_is_given_up_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        text, seconds = _answer({"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "no_proxy": "*"}, tmp_path)
    assert 1 < seconds < 3
    assert "cannot be reached" in text and "weights: PATH" in text


def test_cached_weights_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from safetensors.torch import save_file

    source = timm.create_model("test_resnet")
    repository = tmp_path / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(source.state_dict(), snapshot / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    start = time.perf_counter()
    net = models.spec("test_resnet")(num_classes=5, pretrained=True)
    assert time.perf_counter() - start < 3
    assert torch.equal(net.net.conv1[0].weight, source.conv1[0].weight)


def test_a_name_is_held_exactly_when_it_is_listed() -> None:
    listed = set(timm_names.names())
    assert {name for name in listed if "." not in name} == timm_names._architectures()
    assert timm_names.holds("resnet50") and timm_names.holds("resnet50.a1_in1k")
    assert not timm_names.holds("resnot50") and not timm_names.holds("resnet50.a9_in1k")
