"""Memory that ran out: recognised on every device, and reported with what to change."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from ...errors import Hw1Error

#: What allocators write where they do not raise an exception of their own, in lower case.
_WORDS: Final = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "cannot allocate memory")


class OutOfMemory(Hw1Error):
    """A batch does not fit into the device's memory, or the computer's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: on a GPU, or on the CPU, where torch raises a plain ``RuntimeError``."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(word in str(error).lower() for word in _WORDS)


def release(error: BaseException) -> str:
    """Free what an attempt that ran out of memory still holds; the first line of its message."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return (str(error) or type(error).__name__).partition("\n")[0]


@contextmanager
def memory_named(what: str, hint: str) -> Iterator[None]:
    """Report memory that runs out inside as ``what`` not fitting.

    Raises:
        OutOfMemory: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{what} does not fit into memory: {release(error)}", hint) from None
