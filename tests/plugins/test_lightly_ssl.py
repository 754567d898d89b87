"""Self-supervised methods: losses, followers, views, the watch for collapse, kNN, and what stands still."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from textwrap import dedent
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from lightly.transforms.byol_transform import BYOLView2Transform
from PIL import Image
from runs import same, train, weights
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn import functional as F

from plugins.lightly_ssl import specs, view_specs
from plugins.lightly_ssl.momentum import Follower, cosine_momentum
from plugins.lightly_ssl.neighbours import NeighbourVote
from plugins.lightly_ssl.ssl import effective_rank, spread
from registry.engine.network.weights import read_state
from registry.engine.records import checkpoints
from registry.errors import InputError


class Small(nn.Module):
    """A backbone of one map."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.strides = (16,), (4,)
        self.net = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.net(x)]


SIZES: dict[str, dict[str, Any]] = {
    "byol": {"hidden_dim": 32, "output_dim": 8},
    "simsiam": {"hidden_dim": 8, "output_dim": 16},
    "simclr": {"hidden_dim": 32, "output_dim": 8},
    "barlow_twins": {"output_dim": 32},
    "vicreg": {"output_dim": 32},
    "moco": {"hidden_dim": 32, "output_dim": 8, "queue": 12},
    "dino": {"hidden_dim": 32, "bottleneck_dim": 8, "output_dim": 24},
}


def method(name: str, views: int = 2) -> Any:
    torch.manual_seed(0)
    return getattr(specs, name)(backbone=Small(), views=[None] * views, num_classes=3, **SIZES[name])


@pytest.mark.parametrize("name", SIZES)
def test_every_method_teaches_its_backbone_and_its_follower_only_follows(name: str) -> None:
    task = method(name, 4 if name == "dino" else 2)
    batch = {"views": [torch.randn(6, 3, 16, 16) for _ in task.views]}
    optimizer = torch.optim.SGD([p for p in task.parameters() if p.requires_grad], lr=0.1)
    followers = [part for part in task.modules() if isinstance(part, Follower)]
    before = [copy.deepcopy(follower.state_dict()) for follower in followers]
    losses = []
    for step in range(1, 9):
        figures = copy.deepcopy(task)(batch) if step == 1 else task(batch)  # rehearsals compute on a copy
        figures = task(batch)
        figures["loss"].backward()
        losses.append(float(figures["loss"].detach()))
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.model.parameters() if p.dim() > 1)
        assert all(p.grad is None for follower in followers for p in follower.parameters())
        optimizer.step()
        optimizer.zero_grad()
        task.after_step(step, 8)
    assert np.isfinite(losses).all() and 0 < float(figures["spread"]) < 1.5
    if name != "moco":  # its queue makes each batch harder than the one before
        assert losses[-1] < losses[0]
    assert bool(followers) == (name in ("byol", "moco", "dino"))
    for follower, old in zip(followers, before, strict=True):
        assert not same(old, follower.state_dict())


def test_byols_loss_is_the_sum_of_both_directions() -> None:
    task = method("byol").eval()
    first, second = torch.randn(5, 3, 16, 16), torch.randn(5, 3, 16, 16)
    p = [task.predictor(task.projector(task.model(view))) for view in (first, second)]
    t = [task.target(view) for view in (first, second)]
    expected = -F.cosine_similarity(p[0], t[1]).mean() - F.cosine_similarity(p[1], t[0]).mean()
    assert torch.allclose(task({"views": [first, second]})["loss"], expected, atol=1e-6)


@pytest.mark.parametrize("rule", ["average", "copy", "own"])
def test_a_followers_buffers_follow_the_parameter(rule: Any) -> None:
    net: Any = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    follower = Follower(net, rule)
    with torch.no_grad():
        net[0].weight.add_(1.0)
    net[1].running_mean += 2.0
    net[1].num_batches_tracked += 7
    start = follower.network[0].weight.clone()
    follower.follow(net, 0.75)
    assert torch.allclose(follower.network[0].weight, 0.75 * start + 0.25 * net[0].weight)
    mean = {"average": 0.5, "copy": 2.0, "own": 0.0}[rule]
    assert torch.allclose(follower.network[1].running_mean, torch.full((4,), mean))
    assert int(follower.network[1].num_batches_tracked) == (0 if rule == "own" else 7)


def test_the_momentum_rises_to_one() -> None:
    rising = [cosine_momentum(0.9, step, 10) for step in range(11)]
    assert rising[0] == pytest.approx(0.9) and rising[5] == pytest.approx(0.95) and rising[10] == 1.0
    assert rising == sorted(rising)


def test_the_vote_is_scikit_learns_with_the_same_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(200, 5, generator=generator), torch.randn(700, 5, generator=generator)
    known, truth = torch.randint(0, 4, (200,), generator=generator), torch.randint(0, 4, (700,), generator=generator)
    for temperature in (0.05, 0.5):
        vote = NeighbourVote(7, temperature)
        vote.remember(bank[:150], known[:150])
        vote.remember(bank[150:], known[150:])
        vote.ask(queries, truth)

        def weigh(distances: np.ndarray, temperature: float = temperature) -> np.ndarray:
            return np.exp((1 - distances**2 / 2) / temperature)  # cosine similarity of unit vectors

        judge = KNeighborsClassifier(7, weights=weigh).fit(F.normalize(bank).numpy(), known.numpy())
        expected = float((judge.predict(F.normalize(queries).numpy()) == truth.numpy()).mean())
        assert vote.accuracy() == pytest.approx(expected, abs=2 / 700)
    assert NeighbourVote(5, 0.1).accuracy() is None


def test_a_collapse_is_reported_and_a_spread_is_not() -> None:
    assert float(spread(torch.randn(4000, 32))) == pytest.approx(1.0, abs=0.02)
    assert float(spread(torch.ones(50, 32))) == pytest.approx(0.0, abs=1e-4)
    task = method("byol").eval()
    for constant in (False, True):
        task.begin_evaluation()
        image = torch.ones(8, 3, 16, 16) if constant else 5 * torch.randn(8, 3, 16, 16)
        task.evaluate({"image": image, "split": "val", "label": torch.zeros(8, dtype=torch.long)})
        task.scores()
        assert any("collapsed" in note for note in task.notes()) == constant


def test_the_rank_counts_the_directions_that_features_use() -> None:
    torch.manual_seed(0)
    even = torch.linalg.qr(torch.randn(64, 8, dtype=torch.float64))[0]
    even = torch.cat([even, -even])  # without a mean, and all eight singular values are one
    assert effective_rank(even) == pytest.approx(8.0, abs=1e-6)
    assert effective_rank(even + 3.0) == pytest.approx(8.0, abs=1e-6)
    assert effective_rank(even[:, :1] * torch.ones(5)) == pytest.approx(1.0, abs=1e-4)
    assert effective_rank(torch.ones(9, 4)) == 1.0
    assert math.isnan(effective_rank(torch.tensor([[1.0, math.nan], [2.0, 3.0]])))
    fallen = torch.cat([even, 0.01 * torch.randn(128, 24, dtype=torch.float64)], 1)
    assert 8 < effective_rank(fallen) < 9 and float(spread(fallen.float())) > 0.2  # spread alone would not show it


def test_views_are_byols_and_stay_uint8() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for made in (view_specs.byol_view_1(size=24), view_specs.byol_view_2(size=24), view_specs.mild_view(size=24)):
        made.set_random_seed(3)
        one = made(image=image)["image"]
        made.set_random_seed(3)
        again, other = made(image=image)["image"], made(image=image)["image"]
        assert one.shape == (24, 24, 3) and one.dtype == np.uint8
        assert np.array_equal(one, again) and not np.array_equal(one, other)


OFF: dict[str, Any] = {"min_scale": 1.0, "jitter": 0.0, "gray": 0.0, "blur": 0.0, "solarize": 0.0, "flip": 0.0}


def photograph() -> np.ndarray:
    """A colourful image (64, 64, 3) with coarse and fine structure."""
    generator = np.random.default_rng(5)
    coarse = cv2.resize(generator.uniform(0, 255, (6, 6, 3)), (64, 64), interpolation=cv2.INTER_LINEAR)
    return np.clip(coarse + generator.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def measured(images: list[np.ndarray]) -> np.ndarray:
    """(images, 8): means and deviations of the channels, mean step to the next pixel, mean colourfulness."""
    stack = np.stack(images).astype(np.float64)
    step = np.abs(np.diff(stack, axis=2)).mean((1, 2, 3))
    colourful = (stack.max(3) - stack.min(3)).mean((1, 2))
    return np.column_stack((stack.mean((1, 2)), stack.std((1, 2)), step, colourful))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"min_scale": 0.08},
        {"jitter": 1.0},
        {"jitter": 1.0, "strength": 2.0},
        {"gray": 1.0},
        {"blur": 1.0},
        {"solarize": 1.0},
        {"min_scale": 0.08, "jitter": 0.8, "gray": 0.2, "blur": 0.1, "solarize": 0.2, "flip": 0.5},
    ],
    ids=lambda settings: ",".join(settings) or "none",
)
def test_views_are_distributed_as_lightlys(settings: dict[str, Any]) -> None:
    names = {"jitter": "cj_prob", "strength": "cj_strength", "gray": "random_gray_scale", "blur": "gaussian_blur"}
    names |= {"solarize": "solarization_prob", "flip": "hf_prob"}
    settings = OFF | settings
    torch.manual_seed(0)
    np.random.seed(0)
    named = {names.get(name, name): value for name, value in settings.items()}
    theirs = BYOLView2Transform(input_size=64, normalize=None, **named)
    ours = view_specs.byol_view_2(size=64, **settings)
    ours.set_random_seed(0)
    image = photograph()
    expected = measured([255 * theirs(Image.fromarray(image)).permute(1, 2, 0).numpy() for _ in range(200)])
    found = measured([ours(image=image)["image"] for _ in range(200)])
    error = np.sqrt(found.var(0) / 200 + expected.var(0) / 200)
    # Four standard errors, and half a grey value for the libraries' rounding.
    assert (np.abs(found.mean(0) - expected.mean(0)) < 4 * error + 0.5).all()
    # Deviations over 200 draws are known to a twentieth.
    assert found.std(0) == pytest.approx(expected.std(0), rel=0.25, abs=0.5)


def test_each_step_alone() -> None:
    image = photograph()

    def view(**settings: float) -> np.ndarray:
        return view_specs.byol_view_2(size=64, **OFF | settings)(image=image)["image"]

    assert np.array_equal(view(), image)
    assert np.array_equal(view(flip=1.0), image[:, ::-1])
    assert np.array_equal(view(solarize=1.0), np.where(image < 128, image, 255 - image))
    assert (view(gray=1.0) == view(gray=1.0)[..., :1]).all()
    with pytest.raises(ValueError, match=r"expected an RGB image \(H, W, 3\), got shape \(8, 8, 1\)"):
        view_specs.byol_view_1()(image=image[:8, :8, :1])


def test_one_view_is_too_few() -> None:
    with pytest.raises(InputError, match="2 are needed"):
        method("byol", 1)


def recipe_of(tmp_path: Path, trainer: str, root: Path, more: str = "") -> Path:
    path = tmp_path / f"{trainer.partition(',')[0]}.yaml"
    path.write_text(
        dedent(f"""
        trainer: {{use: {trainer}, batch_size: 8}}
        data: {{use: image_folders, root: {root}}}
        backbone: stranger_net
        runtime: {{precision: fp32, memory_format: contiguous, workers: 0}}
        """)
        + dedent(more)
    )
    return path


def test_pretraining_resumes_exactly_hands_its_backbone_on_and_the_probes_leave_it_as_it_is(
    stranger: None, colored_images: Path, tmp_path: Path
) -> None:
    views = "views: [{use: byol_view_1, size: 16, blur: 0.0}, {use: byol_view_2, size: 16}]\nschedule: constant\n"
    recipe = recipe_of(
        tmp_path, "moco, epochs: 3, hidden_dim: 16, output_dim: 8, queue: 30, momentum: 0.9", colored_images, views
    )
    summary = train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", "trainer.epochs=2")
    train(recipe, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert same(whole.pop("_extra_state"), parts.pop("_extra_state")) and same(whole, parts)  # the queue, the weights
    assert summary["monitor"] == "knn" and {"knn", "spread", "rank", "train_spread"} <= set(summary["last"])
    rows = [[json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()] for name in ("whole", "parts")]
    assert len({row["start/knn"] for row in rows[0] + rows[1]}) == 1
    untrained = train(recipe_of(tmp_path, "knn", colored_images), tmp_path / "untrained", "backbone=stranger_net")
    assert untrained["last"]["knn"] == pytest.approx(rows[0][0]["start/knn"])
    card = json.loads((tmp_path / "whole" / "backbone.json").read_text())
    assert card["notes"] == {"method": "MoCo", "knn_k": 20, "knn_temperature": 0.07}
    handed = read_state(tmp_path / "whole" / "backbone.safetensors")

    backbone = f"backbone={{use: stranger_net, weights: {tmp_path / 'whole'}}}"
    again = train(recipe_of(tmp_path, "knn", colored_images), tmp_path / "knn", backbone)
    assert again["last"]["knn"] == pytest.approx(summary["last"]["knn"]) and again["epochs"] == 1

    probe = recipe_of(tmp_path, "linear_probe, epochs: 20", colored_images, "optimizer: {use: adam, lr: 0.05}")
    probed = train(probe, tmp_path / "probe", backbone)
    assert probed["best"]["accuracy"] > 0.9
    after = weights(tmp_path / "probe")
    frozen = {name.removeprefix("model.0.backbone."): value for name, value in after.items() if "backbone" in name}
    assert same(frozen, handed)


def test_without_labels_there_is_no_knn_but_a_probe_set_gives_one(
    stranger: None, colored_images: Path, tmp_path: Path
) -> None:
    more = f"""
    views: [{{use: byol_view_1, size: 16}}, {{use: byol_view_2, size: 16}}]
    probe: {{use: image_folders, root: {colored_images}}}
    """
    recipe = recipe_of(tmp_path, "byol, epochs: 1, hidden_dim: 16, output_dim: 8", colored_images, more)
    data = f"data={{use: images, root: {colored_images / 'train' / 'red'}}}"
    with_probe = train(recipe, tmp_path / "with", data)
    assert with_probe["monitor"] == "knn" and 0 < with_probe["last"]["knn"] <= 1
    recipe.write_text(recipe.read_text().partition("probe:")[0])
    without = train(recipe, tmp_path / "without", data)
    assert not {"knn", "start/knn"} & set(without["last"]) and "train_spread" in without["last"]
    assert checkpoints.load(tmp_path / "without" / "checkpoints" / "last.pt")["position"]["epoch"] == 2
