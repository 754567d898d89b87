"""The summary of a network: sizes, parameters and operations of its modules, the network itself unchanged."""

from __future__ import annotations

import torch
from torch import nn

from plugins.reports.architecture import summary


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.drop, self.scale = nn.Identity(), nn.Parameter(torch.ones(1))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.stem(x)).mean((2, 3)) * self.scale)


def test_sizes_parameters_and_operations_of_a_network() -> None:
    net = _Net()
    net.stem[1].eval()
    rows, facts = summary(net, torch.rand(1, 3, 16, 16))
    assert rows == [
        ["stem.0", "Conv2d", "8x8x8", 3 * 8 * 9],
        ["stem.1", "BatchNorm2d", "8x8x8", 16],
        ["stem.2", "ReLU", "8x8x8", 0],
        ["head", "Linear", "5", 45],
    ]
    assert facts["input"] == "3x16x16" and facts["parameters"] == 3 * 8 * 9 + 16 + 45 + 1
    # A multiplication and its addition are two operations: of 8x8 places with 27 inputs and 8 outputs, and of the head.
    assert facts["gflop"] == (2 * 64 * 27 * 8 + 2 * 8 * 5) / 1e9
    assert net.training and not net.stem[1].training, "the modes are as they were"
    assert not any(module._forward_hooks for module in net.modules())


def test_a_deep_network_is_shown_by_its_blocks() -> None:
    net = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(30)])
    rows, facts = summary(net, torch.rand(1, 4))
    assert [row[0] for row in rows] == [str(at) for at in range(30)]
    assert sum(row[3] for row in rows) == facts["parameters"] == 30 * 20
