"""Parameters chosen by patterns of their names: which are frozen, until when, and how fast the others learn."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from torch import nn

from ...errors import InputError, Problem, did_you_mean
from ...recipe.grammar import LoopSettings

#: The first epoch of what never learns.
_NEVER: Final = 2**31


class NamePatterns:
    """The patterns of a recipe, applied to a task.

    A pattern is one or more dotted parts of a name, with ``*`` for any characters, and covers whatever is below:
    ``backbone``, ``layer4`` and ``layer*.0`` all match ``model.backbone.layer4.0.conv1.weight``.

    Args:
        task: parameters that never learn are frozen at once.
        settings: ``freeze``, ``unfreeze`` and ``lr_factors`` of the loop.

    Raises:
        InputError: a pattern matches no parameter, or nothing is left to learn in the first epoch.
    """

    def __init__(self, task: nn.Module, settings: LoopSettings) -> None:
        self.task = task
        learning = {name: each for name, each in task.named_parameters() if each.requires_grad}
        unfreeze, factors, problems = settings.unfreeze or {}, settings.lr_factors or {}, list[Problem]()
        frozen = set[str]().union(*_matched(settings.freeze, learning, "trainer.freeze", problems).values())
        thawed = _matched(unfreeze, frozen or learning, "trainer.unfreeze", problems)
        scaled = _matched(factors, learning, "trainer.lr_factors", problems)
        first = {name: min((unfreeze[p] for p in thawed if name in thawed[p]), default=_NEVER) for name in frozen}
        if not problems and first and len(first) == len(learning) and min(first.values()) > 1:
            hint = "let a part of it learn: trainer.unfreeze={head: 1}"
            problems.append(Problem("trainer.freeze", "leaves nothing to learn in the first epoch", hint))
        if problems:
            raise InputError(problems)
        #: Names of parameters, and the 1-based epoch from which they learn.
        self._frozen = first
        self._factors = {name: factors[p] for p, names in scaled.items() for name in names}
        for name, epoch in first.items():
            learning[name].requires_grad_(epoch < _NEVER)

    @property
    def lr_factors(self) -> dict[int, float]:
        """Identity of a parameter -> factor of its learning rate; where several patterns match, the last one's."""
        return {id(each): self._factors[name] for name, each in self.task.named_parameters() if name in self._factors}

    def begin_epoch(self, epoch: int) -> None:
        """Freeze what does not learn in an epoch; a module of which nothing learns is in evaluation mode.

        A frozen parameter has no gradient, so that the optimizer leaves it as it is.
        """
        if not self._frozen:
            return
        for name, parameter in self.task.named_parameters():
            if name in self._frozen:
                parameter.requires_grad_(epoch >= self._frozen[name])
        for module in self.task.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()  # so that the statistics of batch norms stay frozen, too


def _matched(patterns: Iterable[str], names: Iterable[str], path: str, problems: list[Problem]) -> dict[str, set[str]]:
    """Pattern -> the names that it matches; a problem is added for each that matches none."""
    found = {pattern: {name for name in names if fnmatchcase(f".{name}.", f"*.{pattern}.*")} for pattern in patterns}
    for pattern in [pattern for pattern, matches in found.items() if not matches]:
        parts = [name.split(".") for name in names]
        length = pattern.count(".") + 1
        runs = [".".join(part[at : at + length]) for part in parts for at in range(len(part) - length + 1)]
        top = ", ".join(dict.fromkeys(".".join(part[:2]) for part in parts))
        hint = did_you_mean(pattern, dict.fromkeys(runs), f"modules: {top[:200]}")
        problems.append(Problem(path, f"{pattern!r} matches no parameter that learns", hint))
    return found
