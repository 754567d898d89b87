"""Starting weights, from runs and from files of other programs."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import timm
import torch
from runs import train
from torch import nn

from plugins.hw1.resnet18 import ResNet18, ResNet18Backbone
from plugins.torch_basics.classifier import Classifier
from registry.engine.network.weights import load_weights, read_state
from registry.errors import InputError
from registry.recipe.plan import StartingWeights


def test_backbone_is_found_in_a_whole_classifier_under_other_names(tmp_path: Path) -> None:
    whole = nn.ModuleDict({"module": ResNet18(10)})
    torch.save({"state_dict": whole.state_dict(), "epoch": 3}, tmp_path / "other.pth")
    backbone = ResNet18Backbone()
    with pytest.warns(UserWarning, match=r"not needed: 2 \(module.fc.weight, module.fc.bias\)"):
        load_weights(backbone, StartingWeights("file", tmp_path / "other.pth", True), "resnet18")
    ours, theirs = backbone.state_dict(), whole["module"].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_torchvisions_names_fit_timms_network(tmp_path: Path) -> None:
    from torchvision.models import resnet50

    from plugins.timm_zoo.modules import TimmBackbone

    theirs = resnet50()
    torch.save(theirs.state_dict(), tmp_path / "pretrain_model_SL.pt")
    ours = TimmBackbone("resnet50")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_weights(ours, StartingWeights("file", tmp_path / "pretrain_model_SL.pt", True), "timm/resnet50")
    theirs.eval(), ours.eval()
    theirs.avgpool, theirs.fc = nn.Identity(), nn.Identity()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(ours(images)[-1].flatten(1), theirs(images), atol=1e-5)


def test_only_a_last_layer_may_start_from_random_weights(tmp_path: Path) -> None:
    torch.save(ResNet18(10).state_dict(), tmp_path / "ten.pth")
    with pytest.warns(UserWarning, match="the last layer .* starts from random weights"):
        load_weights(ResNet18(3), StartingWeights("file", tmp_path / "ten.pth", True), "resnet18", head=True)
    for wrong in (ResNet18(10, stem="cifar"), timm.create_model("resnet10t")):
        before = {name: value.clone() for name, value in wrong.state_dict().items()}
        with pytest.raises(InputError, match="does not fit"):
            load_weights(wrong, StartingWeights("file", tmp_path / "ten.pth", True), "another", head=True)
        assert all(torch.equal(value, before[name]) for name, value in wrong.state_dict().items())


def test_backbone_without_all_its_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(4, 4), "0.bias": torch.zeros(4)}, tmp_path / "part.pth")
    with pytest.raises(InputError, match="2 of 4 tensors are missing"):
        load_weights(
            nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)),
            StartingWeights("file", tmp_path / "part.pth", True),
            "layers",
        )


def test_source_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"epoch": 1}, tmp_path / "numbers.pth")
    for source, message in (("gone.pth", "no file"), ("text.pth", "cannot be read"), ("numbers.pth", "no tensors")):
        with pytest.raises(InputError, match=message):
            read_state(tmp_path / source)
    with pytest.raises(InputError, match="neither"):
        read_state(tmp_path)


def test_any_backbone_starts_from_a_runs_backbone(stranger: None, recipe: Path, tmp_path: Path) -> None:
    """The stranger's factory knows nothing of weights: the framework serves the argument."""
    train(recipe, tmp_path / "first")
    given = read_state(tmp_path / "first")
    start = f"model.backbone={{use: stranger_net, weights: {tmp_path / 'first'}}}"
    train(recipe, tmp_path / "second", start, "optimizer={use: sgd, lr: 1e-30}", "trainer.epochs=1")
    now = torch.load(tmp_path / "second" / "checkpoints" / "last.pt", weights_only=True)["task"]
    names = [name for name in now if "stages.0.0.weight" in name]
    assert names and all(torch.equal(now[name], given[name]) for name in names)
    assert "tensors from" in (tmp_path / "second" / "log.txt").read_text()

    with pytest.raises(InputError, match="does not fit"):
        train(recipe, tmp_path / "third", start.replace("weights", "width: 16, weights"))
    assert not (tmp_path / "third").exists()


def test_head_for_another_number_of_classes_is_left_out(stranger: None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one = Classifier(ResNet18Backbone(), 5, 0.0)
    torch.save(one.state_dict(), tmp_path / "one.pth")
    other = Classifier(ResNet18Backbone(), 7, 0.0)
    with pytest.warns(UserWarning, match="head.weight, head.bias"):
        load_weights(other, StartingWeights("file", tmp_path / "one.pth", True), "classifier", head=True)
    assert torch.equal(other.state_dict()["backbone.conv1.weight"], one.state_dict()["backbone.conv1.weight"])
