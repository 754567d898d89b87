"""The batch of all processes, for losses that compare its samples with one another."""

from __future__ import annotations

import torch
from lightly.utils import dist
from torch import Tensor
from torch.nn import functional as F

from registry.engine import process_count, sum_over_processes


def whole_batch(own: Tensor) -> Tensor:
    """The rows (n, D) of all processes as (N, D), in the order in which one process has them.

    Each process computes the loss of all rows, and their gradients come back summed; averaged over the processes by
    their shares, as the trainer does, they are the gradients of one process, also where the shares differ by one. (A
    batch of fewer rows than processes holds its first row several times.)
    """
    processes = process_count()
    if processes == 1:
        return own
    total = int(sum_over_processes(torch.tensor(len(own), device=own.device)))
    padded = F.pad(own, (0, 0, 0, -(-total // processes) - len(own)))
    rows: Tensor = torch.stack(dist.gather(padded), dim=1)  # sample i is row i // processes of process i % processes
    return rows.flatten(0, 1)[:total]
