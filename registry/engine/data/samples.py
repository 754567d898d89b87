"""A split of a data set, and any data set read under the framework's settings: bounded pixels, errors with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...errors import InputError
from ...recipe.grammar import DataSettings
from .images import UnreadableImage, at_most_pixels

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

    def split(self, name: str) -> GuardedSamples | None:
        """The split of that name; None where the data set has none."""
        samples = self.data.split(name)
        return None if samples is None else GuardedSamples(samples, self.settings)


class GuardedSamples:
    """The samples of a split; see ``Guarded``."""

    def __init__(self, samples: Samples, settings: DataSettings) -> None:
        self.samples, self.settings = samples, settings

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
            with at_most_pixels(round(self.settings.max_megapixels * 1e6)):
                return dict(self.samples[index])
        except (UnreadableImage, IndexError, MemoryError):
            raise
        except InputError as error:
            problem = error.problems[0]
            raise UnreadableImage(problem.path, problem.message, problem.hint) from error
        except (Exception, SystemExit) as error:  # the data set may be anyone's
            reason = f"cannot be read: {type(error).__name__}: {error}"
            raise UnreadableImage(str(self.names[index]), reason) from error
