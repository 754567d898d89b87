"""One folder of samples divided into a training and an evaluation split: by share, by folds or by a file of names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError
from ....recipe.grammar import SplitSettings
from ..loader import derive_seed
from ..samples import Sample, Samples
from . import folds


class Part:
    """Some samples of a split, in their order.

    Args:
        samples: the whole.
        indices: those that belong to the part, ascending.
    """

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self.samples, self.indices = samples, list(indices)

    @property
    def names(self) -> list[str]:
        """Of the part's samples."""
        names = self.samples.names
        return [names[index] for index in self.indices]

    @property
    def labels(self) -> list[int | None] | None:
        """Of the part's samples; None where the whole has no ``labels``."""
        return self._of_part("labels")

    @property
    def files(self) -> list[Any] | None:
        """Those that the part's samples are read from; None where the whole has no ``files``."""
        return self._of_part("files")

    @property
    def fingerprint(self) -> str | None:
        """Changes with the samples' content or choice; None where the whole has no ``fingerprint``."""
        whole = getattr(self.samples, "fingerprint", None)
        return None if whole is None else f"{whole} {self.indices}"

    def _of_part(self, attribute: str) -> list[Any] | None:
        whole = getattr(self.samples, attribute, None)
        return None if whole is None else [whole[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Sample:
        return self.samples[self.indices[index]]


class Divided:
    """A data set whose training split is divided anew; its own evaluation split is left aside.

    Args:
        data: keeps the contract of the kind ``datasets``.
        settings: how.

    Raises:
        InputError: a part would be empty, the file names unknown samples, or the samples have no such folds.
    """

    def __init__(self, data: Any, settings: SplitSettings) -> None:
        samples: Samples = data.split("train")
        if settings.folds is not None:
            if data.split("val") is not None:
                hint = "leave that out, such as --set data.val=null, or split the data without folds"
                raise InputError.of("split.folds", "divides data that have an evaluation split of their own", hint)
            held_out = set(folds.held_out(samples, settings, data.facts.get("class_names") or ()))
        else:
            held_out = set(_named(samples, settings.file) if settings.file else _random(samples, settings))
        rest = [index for index in range(len(samples)) if index not in held_out]
        if not rest or not held_out:
            message = f"would leave {len(rest)} training and {len(held_out)} evaluation images"
            raise InputError.of("split", message, f"there are {len(samples)} in all")
        self.facts = data.facts
        self._splits = {"train": Part(samples, rest), "val": Part(samples, sorted(held_out))}

    def split(self, name: str) -> Part:
        """The part called ``train`` or ``val``."""
        return self._splits[name]


def _random(samples: Samples, settings: SplitSettings) -> list[int]:
    """A share of the samples, and of every class where the labels are known; the same ones for the same seed."""
    generator = np.random.default_rng(derive_seed(settings.seed, len(samples)))
    labels = getattr(samples, "labels", None)
    known = [0] * len(samples) if labels is None else [-1 if label is None else label for label in labels]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(known))}  # a label may be a row of flags
    rank, groups = np.empty(len(samples)), np.array([numbers[label] for label in known])
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        # Spread over 0..1, so that the lowest ranks of all hold about as much of every class.
        rank[own] = (generator.permutation(len(own)) + generator.random()) / len(own)
    return [int(index) for index in np.argsort(rank, kind="stable")[: round(settings.val * len(samples))]]


def _named(samples: Samples, file: Path) -> list[int]:
    """The samples that a text file names, one a line."""
    try:
        lines = map(str.strip, file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("split.file", f"{file} cannot be read: {error}") from error
    indices = {name: index for index, name in enumerate(samples.names)}
    indices = {Path(name).stem: index for name, index in indices.items()} | indices
    wanted = [line for line in lines if line and not line.startswith("#")]
    if unknown := [name for name in wanted if name not in indices]:
        message = f"{file} names samples that do not exist: {', '.join(unknown[:5])}{', ...' * (len(unknown) > 5)}"
        raise InputError.of("split.file", message, f"the samples are {', '.join(list(samples.names)[:3])}, ...")
    return [indices[name] for name in wanted]
