"""The loop, held against a plain one: whatever surrounds the steps must not change them."""

from __future__ import annotations

from pathlib import Path

import torch
from runs import train, weights

from registry.catalog.registry import Registry
from registry.engine.build import build, build_transform
from registry.engine.data.augmented import Augmented
from registry.engine.data.loader import EpochOrder, derive_seed
from registry.engine.data.preprocess import Preprocessor, collate
from registry.engine.network.contract import normalization_of
from registry.engine.train.task import seed_everything
from registry.recipe.request import Request, planned


def plain_loop(recipe: Path, epochs: int) -> dict[str, torch.Tensor]:
    """What the recipe says, in the fewest lines: components, order, steps; no Fabric, no workers, no files."""
    plan = planned(Request(recipe), Registry())
    data = build(plan.data, {})
    facts = {"in_channels": 3, **data.facts}
    seed_everything(derive_seed(plan.seed, 1))
    task = build(plan.trainer, facts).train()
    preprocess = Preprocessor(*normalization_of(task), torch.device("cpu"))
    samples = Augmented(
        data.split("train"), build_transform(plan.augment["train"], facts), seed=derive_seed(plan.seed, 2)
    )
    order = EpochOrder(len(samples), plan.loop.batch_size, seed=derive_seed(plan.seed, 3), drop_single=True)
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    for epoch in range(1, epochs + 1):
        torch.manual_seed(derive_seed(plan.seed, epoch, 1))
        order.start(epoch)
        for keys in order:
            batch = preprocess(collate([samples[key] for key in keys]))
            loss = task(batch)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return task.state_dict()


def test_the_loop_takes_the_steps_of_a_plain_one(stranger: None, recipe: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    ours, plain = weights(tmp_path / "run"), plain_loop(recipe, 2)
    assert ours.keys() == plain.keys()
    assert all(torch.equal(ours[name], plain[name]) for name in ours)
