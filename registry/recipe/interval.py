"""How often something is done: ``15min``, ``500 steps``, ``1 epoch``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import nearest

#: What is written -> the unit, and how many of it.
_WORDS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("second", 1)),
    **dict.fromkeys(("min", "minute", "minutes"), ("second", 60)),
    **dict.fromkeys(("h", "hour", "hours"), ("second", 3600)),
    **dict.fromkeys(("step", "steps"), ("step", 1)),
    **dict.fromkeys(("epoch", "epochs"), ("epoch", 1)),
}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class Interval:
    """A time, a number of optimizer steps, or a number of epochs.

    Args:
        text: a number with one of the units s, min, h, steps, epochs.

    Raises:
        ValueError: it is none; the message is what to write instead, or empty.
    """

    text: str

    #: As an expected value, in words.
    EXAMPLES = "a time, steps or epochs, such as 15min, 500 steps or 1 epoch"
    #: What an editor accepts.
    PATTERN = rf"^\s*(\d+(\.\d*)?|\.\d+)\s*({'|'.join(_WORDS)})\s*$"

    def __post_init__(self) -> None:
        self._parts()

    def __str__(self) -> str:
        return self.text

    @property
    def seconds(self) -> float | None:
        """The time; None where it is counted in steps or epochs."""
        return self._of("second")

    @property
    def steps(self) -> int | None:
        """The optimizer steps; None where it is something else."""
        return self._of("step")  # type: ignore[return-value]

    @property
    def epochs(self) -> int | None:
        """The epochs; None where it is something else."""
        return self._of("epoch")  # type: ignore[return-value]

    def _of(self, unit: str) -> float | None:
        found, number = self._parts()
        return number if found == unit else None

    def _parts(self) -> tuple[str, float]:
        written = _WRITTEN.fullmatch(self.text.strip())
        if written is None:
            raise ValueError("")
        number, word = written.groups()
        if not word:
            raise ValueError(f"write {number}min, {number} steps or {number} epochs")
        if word not in _WORDS:
            near = nearest(word, _WORDS, 1)
            raise ValueError(f"did you mean {f'{number} {near[0]}'!r}?" if near else "units: s, min, h, steps, epochs")
        unit, factor = _WORDS[word]
        if unit == "second" and float(number):
            return unit, float(number) * factor
        if unit == "second" or not number.isdecimal() or not int(number):
            raise ValueError("write a time above 0" if unit == "second" else f"write a whole number of {unit}s above 0")
        return unit, int(number)
