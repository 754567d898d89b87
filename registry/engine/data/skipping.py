"""Samples that a run may skip because they cannot be read: what is recorded of them, and how many there may be."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ...errors import Hw1Error, InputError
from ...files import atomic_write

_COLUMNS: Final = ("split", "sample", "reason")


class SkippedSamples:
    """The samples that could not be read, each once; written to a file as soon as they are found.

    Args:
        most: how many there may be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.reasons: dict[tuple[str, str], str] = {}
        self.path: Path | None = None

    def open(self, path: Path) -> None:
        """Keep the record in a file from now on; a resumed run goes on with what the file holds.

        Raises:
            InputError: the file is damaged.
        """
        self.path = path
        if path.exists():
            try:
                with path.open(encoding="utf-8", newline="") as file:
                    self.reasons |= {(row["split"], row["sample"]): row["reason"] for row in csv.DictReader(file)}
            except (KeyError, OSError, ValueError, csv.Error) as error:
                raise InputError.of(str(path), "is damaged: expected the columns split, sample, reason") from error

    def add(self, split: str, found: Iterable[tuple[str, str]]) -> None:
        """Record samples of a split by name and reason.

        Raises:
            Hw1Error: these are too many.
        """
        before = len(self.reasons)
        for name, reason in found:
            self.reasons.setdefault((split, name), reason)
        if len(self.reasons) == before:
            return
        if self.path is not None:
            with atomic_write(self.path) as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([_COLUMNS, *((*key, reason) for key, reason in self.reasons.items())])
        if len(self.reasons) > self.most:
            hint = f"{self.path or 'the message above'} lists them; repair the files, or raise data.max_skipped"
            last = list(self.reasons.values())[-1]
            message = f"{len(self.reasons)} samples could not be read, more than data.max_skipped ({self.most})"
            raise Hw1Error(f"{message}; the last one: {last}", hint)

    @property
    def caveat(self) -> str | None:
        """A sentence about them; None where there are none."""
        if not self.reasons:
            return None
        several = len(self.reasons) > 1
        text = (
            f"{len(self.reasons)} samples could not be read and were"
            if several
            else "1 sample could not be read and was"
        )
        return f"{text} skipped" + (f"; see {self.path.name}" if self.path is not None else "")


def without(batch: dict[str, Any], positions: Iterable[int]) -> dict[str, Any]:
    """A collated batch without the samples at these positions."""
    left_out = set(positions)
    kept = [position for position in range(len(batch["name"])) if position not in left_out]
    index = torch.tensor(kept, dtype=torch.long)

    def chosen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value[index]
        return [chosen(view) for view in value] if value and isinstance(value[0], Tensor) else [value[i] for i in kept]

    return {name: chosen(value) for name, value in batch.items()}
