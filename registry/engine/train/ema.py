"""An exponential moving average of the weights, which is evaluated and kept in place of the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from ..runtime.sharding import like, local


class WeightAverage:
    """Average of a module's parameters and floating-point buffers (Polyak and Juditsky, 1992; as in Tan and Le, 2019).

    In the first steps the decay is (1 + step) / (10 + step) where that is smaller, so that the random start is
    forgotten also in a short run.

    Args:
        module: what is averaged; whole-number buffers are taken as they are.
        decay: share of the average that stays in each step, 0..1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = [each for each in chain(module.parameters(), module.buffers()) if each.is_floating_point()]
        self._average = [tensor.detach().clone() for tensor in self._live]
        self._pairs = [local(each) for each in self._average], [local(each.detach()) for each in self._live]
        places = {id(tensor): place for place, tensor in enumerate(self._live)}
        # A tensor that two modules share has two names, and one average.
        named = chain(module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False))
        self._places = {name: places[id(tensor)] for name, tensor in named if id(tensor) in places}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after optimizer step ``step``, 1-based."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(*self._pairs, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module holds the average inside, its own weights again after."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        average, live = self._pairs
        kept = [tensor.clone() for tensor in live]
        torch._foreach_copy_(live, average)
        torch._foreach_copy_(average, kept)

    def state_dict(self) -> dict[str, Tensor]:
        """The average by the names of the module's state dict."""
        return {name: self._average[place] for name, place in self._places.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put a checkpoint's average in place."""
        for name, place in self._places.items():
            self._average[place].copy_(like(state[name], self._average[place]))
