"""Every optimizer of the two zoos makes the loss of a small network smaller, or says what it needs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from plugins.timm_zoo.optimizers import optimizers as timm
from plugins.torch_basics.optimizers import optimizers as of_torch
from registry import Zoo
from registry.catalog.introspect import Unread

EVERY = [(zoo, name) for zoo in (of_torch, timm) for name in sorted(zoo.names())]


@pytest.mark.parametrize(("zoo", "name"), EVERY, ids=[name for _, name in EVERY])
def test_every_optimizer_makes_a_loss_smaller(zoo: Zoo, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # kron compiles its steps, for a minute
    torch.manual_seed(0)
    bias = name != "Muon"  # it is made for matrices alone
    network = nn.Sequential(nn.Linear(6, 12, bias=bias), nn.ReLU(), nn.Linear(12, 3, bias=bias))
    images, labels = torch.randn(60, 6), torch.randint(0, 3, (60,))
    spec = zoo.spec(name)
    arguments: dict[str, Any] = {
        p.name: p.default for p in spec.parameters if not p.supplied and not isinstance(p.default, Unread)
    }
    optimizer = spec(params=[{"params": list(network.parameters())}], **arguments | {"lr": 1e-3})
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(network(images), labels)
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_signatures_are_the_libraries_own() -> None:
    parameters = {parameter.name: parameter for parameter in timm.spec("lion").parameters}
    assert parameters["params"].supplied and parameters["betas"].default == (0.9, 0.99)
    assert {p.name: p.default for p in timm.spec("sgd").parameters}["nesterov"] is True
    assert "LBFGS" not in of_torch.names() and not any(name.startswith("bnb") for name in timm.names())
