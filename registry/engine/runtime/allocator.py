"""The C library's allocator, set to keep large blocks instead of returning them to the system after every step."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

#: Set this environment variable to 0 to leave the allocator as it is.
OPT_OUT: Final = "HW1CLI_MALLOPT"
#: Parameters of glibc's mallopt (malloc.h), and the largest value that it takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _MOST = -1, -3, 2**31 - 1


def keep_large_blocks() -> bool:
    """Let glibc serve large blocks from its heap and keep them once they are freed; false where nothing was changed.

    By default every block above 32 MiB is mapped from the system and unmapped again, and its pages are zeroed at each
    use: on a CPU that takes up to half of a network's time. The process keeps more memory in return
    (``benchmarks/allocator.py`` measures both). Nothing changes on other C libraries and platforms, nor where the user
    has set glibc's own variables or ``HW1CLI_MALLOPT=0``.
    """
    own = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")
    if not sys.platform.startswith("linux") or os.environ.get(OPT_OUT) == "0" or any(map(os.environ.get, own)):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(parameter, _MOST) for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
