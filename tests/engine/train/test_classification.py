"""The classification trainer: mixing, averaged weights, groups of parameters, scores, and all of it in a run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import same, train, weights
from sklearn.metrics import recall_score, top_k_accuracy_score
from torch import nn

from plugins.metrics.accuracy import Accuracy
from plugins.trainers.mixing import mix
from registry.engine.network.weights import read_state
from registry.engine.records import checkpoints
from registry.engine.train.ema import WeightAverage
from registry.engine.train.param_groups import refine
from registry.engine.train.run import Learning
from registry.engine.train.saved_run import open_run


def test_accuracy_equals_scikit_learn_over_all_batches() -> None:
    logits, labels = torch.randn(60, 7), torch.randint(0, 6, (60,))  # class 6 does not occur
    measure = Accuracy(7, list("abcdefg"), top=3)
    for part in range(0, 60, 25):
        measure.update(logits[part : part + 25], labels[part : part + 25])
    scores, predicted = measure.compute(), logits.argmax(1).numpy()
    assert scores["accuracy"] == pytest.approx(float((predicted == labels.numpy()).mean()))
    assert scores["top3"] == pytest.approx(top_k_accuracy_score(labels, logits, k=3, labels=range(7)))
    recalls = recall_score(labels, predicted, labels=range(6), average=None)
    assert [scores[f"accuracy/{name}"] for name in "abcdef"] == pytest.approx(list(recalls))
    assert "accuracy/g" not in scores
    assert scores["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert scores["constant/accuracy"] == pytest.approx(float(labels.bincount().max()) / 60)


def test_mixup_blends_images_by_the_returned_share() -> None:
    torch.manual_seed(0)
    images, labels = torch.eye(8).view(8, 1, 1, 8).expand(8, 3, 8, 8), torch.arange(8)
    mixed = mix(images, labels, mixup=1.0, cutmix=0.0)
    share = mixed.share
    assert 0.5 <= share < 1
    targets = share * nn.functional.one_hot(mixed.first, 8) + (1 - share) * nn.functional.one_hot(mixed.second, 8)
    assert torch.allclose(mixed.images[:, 0, 0], targets.float())


def test_cutmix_pastes_a_rectangle_of_the_returned_share() -> None:
    images, labels = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 3, 20, 30), torch.arange(16)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        mixed = mix(images, labels, mixup=0.0, cutmix=1.0)
        own = (mixed.images == mixed.first.view(-1, 1, 1, 1)).float().mean((1, 2, 3))
        pasted = (mixed.images == mixed.second.view(-1, 1, 1, 1)).float().mean((1, 2, 3))
        moved = mixed.first != mixed.second
        assert torch.allclose(own[moved], torch.tensor(mixed.share), atol=1e-6)
        assert torch.allclose(pasted[moved], torch.tensor(1 - mixed.share), atol=1e-6)
        seen.add(round(mixed.share, 3))
    assert len(seen) > 10 and min(seen) >= 0.49


def test_without_alpha_nothing_is_mixed_and_no_random_number_is_used() -> None:
    images, labels, state = torch.randn(4, 3, 8, 8), torch.arange(4), torch.get_rng_state()
    mixed = mix(images, labels, mixup=0.0, cutmix=0.0)
    assert mixed.images is images and mixed.share == 1.0 and torch.equal(torch.get_rng_state(), state)


def test_weight_average_follows_its_formula_and_swaps_in_and_out() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = WeightAverage(net, decay=0.6)
    expected = {name: value.clone() for name, value in net.state_dict().items()}
    for step in range(1, 12):
        net(torch.randn(8, 3))  # moves the running statistics
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
    live = {name: value.clone() for name, value in net.state_dict().items()}
    with average.in_place():
        inside = {name: value.clone() for name, value in net.state_dict().items()}
    assert same(dict(net.state_dict()), live)
    assert all(torch.allclose(inside[n], expected[n], atol=1e-6) for n in live if live[n].is_floating_point())
    assert inside["1.num_batches_tracked"] == 11


def test_parameter_groups_exempt_vectors_from_decay_and_slow_the_first_layers() -> None:
    net = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)) for _ in range(12)))
    plain = refine([{"params": list(net.parameters())}], net, layer_decay=1.0, decay="all")
    assert len(plain) == 1 and plain[0]["lr_scale"] == 1
    assert [id(p) for p in plain[0]["params"]] == [id(p) for p in net.parameters()]

    groups = refine([{"params": list(net.parameters())}], net, layer_decay=0.5, decay="weights")
    rate = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    assert [rate[id(block[0].weight)] for block in net] == [0.5**depth for depth in range(11, -1, -1)]
    decayed = {id(p) for group in groups if "weight_decay" not in group for p in group["params"]}
    assert decayed == {id(block[0].weight) for block in net}
    assert all(group["weight_decay"] == 0 for group in groups if id(group["params"][0]) not in decayed)

    nothing: Any = (None, None, ())
    learning = Learning(net, torch.optim.SGD(groups, lr=0.1, weight_decay=0.5), lambda step: 1.0, *nothing)
    assert sorted(learning.base_rates)[0] == pytest.approx(0.1 * 0.5**11) and max(learning.base_rates) == 0.1
    assert {group["weight_decay"] for group in learning.optimizer.param_groups} == {0.0, 0.5}


def test_run_with_every_setting_records_losses_and_accuracies_of_each_epoch(
    stranger: None, shapes: Path, tmp_path: Path
) -> None:
    summary = train(shapes, tmp_path / "run", "trainer.epochs=12")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert len(rows) == 12
    wanted = {"train_loss", "train_accuracy", "val_loss", "accuracy", "balanced_accuracy", "accuracy/red"}
    assert all(row[name] != "" for row in rows for name in wanted)
    assert summary["best"]["accuracy"] > 0.9 and summary["monitor"] == "accuracy"


def test_best_checkpoint_holds_the_average_and_last_the_weights(stranger: None, shapes: Path, tmp_path: Path) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    state = checkpoints.load(tmp_path / "run" / "checkpoints" / "last.pt")
    best = checkpoints.load(tmp_path / "run" / "checkpoints" / "best.pt")["task"]
    assert not same(best, state["task"])
    assert same(best, checkpoints.evaluated_weights(state))
    assert set(state["task"]) - set(state["average"]) == {n for n in state["task"] if n.endswith("num_batches_tracked")}


def test_weights_of_a_run_with_ema_are_the_evaluated_ones(stranger: None, shapes: Path, tmp_path: Path) -> None:
    train(shapes, tmp_path / "run", "trainer.epochs=1")
    best = checkpoints.load(tmp_path / "run" / "checkpoints" / "best.pt")["task"]
    assert same(read_state(tmp_path / "run" / "checkpoints" / "last.pt"), best)
    assert same(dict(open_run(tmp_path / "run", checkpoint="last", device="cpu").task.state_dict()), best)


def test_run_with_every_setting_resumes_to_the_same_weights(stranger: None, shapes: Path, tmp_path: Path) -> None:
    train(shapes, tmp_path / "whole")
    train(shapes, tmp_path / "parts", "trainer.epochs=2", "schedule=constant")
    train(shapes, tmp_path / "other", "schedule=constant")
    train(shapes, tmp_path / "parts", "schedule=constant", resume=True)
    assert same(weights(tmp_path / "other"), weights(tmp_path / "parts"))
    one, other = (checkpoints.load(tmp_path / run / "checkpoints" / "last.pt") for run in ("other", "parts"))
    assert same(one["average"], other["average"])
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
