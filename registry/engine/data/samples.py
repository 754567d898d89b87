"""A split of a data set, and any data set read under the framework's settings: bounded pixels, errors with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ...errors import InputError
from ...recipe.grammar import DataSettings
from .images import UnreadableImage, reading

Sample = Mapping[str, Any]


class Samples(Protocol):
    """A split of a data set; see the kind ``datasets``."""

    @property
    def names(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class Guarded:
    """A data set whose samples raise ``UnreadableImage`` and nothing else.

    Args:
        data: keeps the contract of the kind ``datasets``.
        settings: of the framework.
    """

    def __init__(self, data: Any, settings: DataSettings) -> None:
        self.data, self.facts, self.settings = data, data.facts, settings
        if settings.bands != "rgb":
            self.facts = {**data.facts, **band_facts(GuardedSamples(data.split("train"), settings), settings)}

    def split(self, name: str) -> GuardedSamples | None:
        """The split of that name; None where the data set has none."""
        samples = self.data.split(name)
        return None if samples is None else GuardedSamples(samples, self.settings, self.facts)


def band_facts(samples: GuardedSamples, settings: DataSettings) -> dict[str, Any]:
    """What a run has to know of a raster's bands: ``in_channels``, ``max_value`` (255 or 65535), ``bands``, and
    ``mean`` and ``std`` of each where they are given; from the first sample.

    Raises:
        InputError: ``data.mean`` or ``data.std`` does not have a value for each band.
    """
    for index in range(len(samples)):
        try:
            image = samples[index]["image"]
            break
        except UnreadableImage:
            if settings.on_error == "fail" or index == settings.max_skipped:
                raise
    else:
        return {}
    channels, given = image.shape[2], {"mean": settings.mean, "std": settings.std}
    for name, values in given.items():
        if values is not None and len(values) != channels:
            raise InputError.of(f"data.{name}", f"has {len(values)} values, expected {channels}, one for each band")
    known = {name: [*values] for name, values in given.items() if values is not None}
    return {"in_channels": channels, "max_value": int(np.iinfo(image.dtype).max), "bands": settings.bands, **known}


def require_bands(path: Any, image: np.ndarray, facts: Mapping[str, Any]) -> None:
    """Raise ``UnreadableImage`` where an image does not have the bands of the data that a run knows."""
    wanted = (facts.get("in_channels", 3), facts.get("max_value", 255))
    found = (image.shape[2], int(np.iinfo(image.dtype).max))
    if "bands" in facts and found != wanted:
        has, expected = (f"{n} band{'s' * (n > 1)} of {most.bit_length()} bits" for n, most in (found, wanted))
        raise UnreadableImage(path, f"has {has}, expected {expected}")


class GuardedSamples:
    """The samples of a split; see ``Guarded``."""

    def __init__(self, samples: Samples, settings: DataSettings, facts: Mapping[str, Any] | None = None) -> None:
        self.samples, self.settings, self.facts = samples, settings, facts or {}

    @property
    def names(self) -> Sequence[str]:
        return self.samples.names

    @property
    def labels(self) -> Sequence[int | None] | None:
        """None where the split has no ``labels``."""
        return getattr(self.samples, "labels", None)

    @property
    def files(self) -> Sequence[Any] | None:
        """None where the split has no ``files``."""
        return getattr(self.samples, "files", None)

    @property
    def fingerprint(self) -> str | None:
        """None where the split has no ``fingerprint``."""
        return getattr(self.samples, "fingerprint", None)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> Sample:
        try:
            with reading(round(self.settings.max_megapixels * 1e6), self.settings.bands):
                sample = dict(self.samples[index])
            if "bands" in self.facts:
                require_bands(self.names[index], sample["image"], self.facts)
            return sample
        except (UnreadableImage, IndexError, MemoryError):
            raise
        except InputError as error:
            problem = error.problems[0]
            raise UnreadableImage(problem.path, problem.message, problem.hint) from error
        except (Exception, SystemExit) as error:  # the data set may be anyone's
            reason = f"cannot be read: {type(error).__name__}: {error}"
            raise UnreadableImage(str(self.names[index]), reason) from error
