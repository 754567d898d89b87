"""Low-rank adapters: only they and the head learn, a new adapter changes nothing, a run reopens."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import train, weights

from registry.catalog.registry import Registry
from registry.engine.train.saved_run import open_run
from registry.errors import InputError
from registry.recipe.request import Request, planned

needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")
VIT = "timm/vit_tiny_patch16_224"
PLAIN = ("trainer={use: classification, epochs: 1, batch_size: 8}", "schedule=constant", "augment={}")


@needs_peft
def test_model_learns_in_adapters_and_last_layer_alone(shapes: Path, tmp_path: Path) -> None:
    train(shapes, tmp_path / "full", *PLAIN, f"model={{use: {VIT}, image_size: 16}}")
    start = f"{{use: {VIT}, image_size: 16, weights: {tmp_path / 'full'}}}"
    model = f"model={{use: lora, model: {start}, rank: 4, targets: [qkv, fc1]}}"
    found = []
    for epochs in (1, 3):
        train(shapes, tmp_path / str(epochs), *PLAIN, model, f"trainer.epochs={epochs}")
        found.append(weights(tmp_path / str(epochs)))
    moved = {name for name in found[0] if not torch.equal(found[0][name], found[1][name])}
    assert moved == {name for name in found[0] if "lora_" in name or ".head." in name}
    assert len(moved) == 12 * 2 * 2 + 2
    kept = {name.replace(".base_layer", ""): value for name, value in found[1].items() if name not in moved}
    full = weights(tmp_path / "full")
    assert all(torch.equal(value, full[name]) for name, value in kept.items())
    saved = open_run(tmp_path / "3", device="cpu")
    assert saved.logits([torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()]).shape == (1, 3)


@needs_peft
def test_new_adapters_on_a_backbone_change_no_map() -> None:
    import timm

    from plugins.peft_lora.lora import adapted

    torch.manual_seed(0)
    net: Any = timm.create_model("vit_tiny_patch16_224", features_only=True, img_size=32).eval()
    images = torch.randn(1, 3, 32, 32)
    before = net(images)[-1].detach()
    adapted(net, 4, 8, 0.0, ["qkv"], path="backbone")
    assert torch.allclose(net(images)[-1], before, atol=1e-6)
    learning = [name for name, each in net.named_parameters() if each.requires_grad]
    assert len(learning) == 24 and all("lora_" in name for name in learning)


@needs_peft
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (f"{{use: lora, model: {{use: {VIT}, image_size: 16}}, targets: [qkw]}}", "did you mean 'qkv'"),
        ("{use: lora, model: {use: timm/resnet18}, targets: [fc]}", "has batch norms"),
    ],
)
def test_wrong_target_or_network_is_a_problem(shapes: Path, tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(shapes, tmp_path / "run", *PLAIN, f"model={model}")
    assert not (tmp_path / "run").exists()


def test_without_peft_the_preflight_names_the_extra(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(Request(shapes, sets=(*PLAIN, f"model={{use: lora, model: {VIT}}}")), Registry())
    (part,) = [part for part in plan.components() if part.name == "lora"]
    real = importlib.util.find_spec
    monkeypatch.setattr("plugins.peft_lora.specs.find_spec", lambda name: None if name == "peft" else real(name))
    with pytest.raises(InputError, match=r"hw1cli\[peft\]"):
        part.preflight()
