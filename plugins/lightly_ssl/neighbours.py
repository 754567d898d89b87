"""Weighted k-nearest-neighbour classification of features: what a backbone is worth without any training on top."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from registry.engine import concatenated, summed

#: Queries whose similarities to the whole bank are held at once.
_AT_ONCE = 512


class NeighbourVote:
    """Labelled features in a bank, and queries that its nearest neighbours classify (Wu et al., 2018, section 3.4).

    Neighbours vote with weight exp(cosine similarity / temperature).

    Args:
        k: neighbours that vote; fewer where the bank is smaller.
        temperature: above 0; a low one lets the nearest decide.
    """

    def __init__(self, k: int, temperature: float) -> None:
        self.k, self.temperature = k, temperature
        self.clear()

    def clear(self) -> None:
        """Forget bank and queries."""
        self._bank: list[tuple[Tensor, Tensor]] = []
        self._queries: list[tuple[Tensor, Tensor]] = []

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Put features (B, D) with their labels (B,) into the bank."""
        self._bank.append((F.normalize(features.float(), dim=1), labels))

    def ask(self, features: Tensor, labels: Tensor) -> None:
        """Queries (B, D), and their true labels (B,)."""
        self._queries.append((F.normalize(features.float(), dim=1), labels))

    def accuracy(self) -> float | None:
        """The share of queries that the vote classifies rightly; None without a bank or without queries."""
        if not self._bank or not self._queries:
            return None
        bank, known = (concatenated(parts) for parts in zip(*self._bank, strict=True))
        queries, truth = (torch.cat(parts) for parts in zip(*self._queries, strict=True))
        parts = [self._vote(part, bank, known) for part in torch.split(queries, _AT_ONCE)]
        right, number = summed([int((torch.cat(parts) == truth).sum()), len(truth)])
        return right / number

    def _vote(self, queries: Tensor, bank: Tensor, known: Tensor) -> Tensor:
        similarity, near = (queries @ bank.T).topk(min(self.k, len(bank)), dim=1)
        votes = torch.zeros(len(queries), int(known.max()) + 1, device=queries.device)
        # The largest similarity is taken off, so that a low temperature does not overflow.
        weights = ((similarity - similarity[:, :1]) / self.temperature).exp()
        return votes.scatter_add_(1, known[near], weights).argmax(1)
