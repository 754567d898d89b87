"""How fast an exported file predicts on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..exported import read_card
from .verify import reader

#: Images in a batch.
_BATCHES: Final = (1, 8)


def measure(path: Path, seconds: float) -> dict[str, Any]:
    """Images per second of a file, resizing and softmax included, on the CPU.

    Args:
        path: of ``hw1cli export``.
        seconds: of each measurement.

    Returns:
        ``file``, ``size`` (H, W) of the images, and ``batches``: for each size of batch ``batch_size``,
        ``images_per_second`` and ``milliseconds`` (median of a batch).

    Raises:
        InputError: the file cannot be read.
    """
    card = read_card(path)
    height, width = card["size"]
    run, rows = reader(path), []
    for count in _BATCHES:
        shape = (count, height, width, card["facts"].get("in_channels", 3))
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        run(images)
        taken: list[float] = []
        while sum(taken) < seconds:
            start = time.perf_counter()
            run(images)
            taken.append(time.perf_counter() - start)
        median = float(np.median(taken))
        rows.append({"batch_size": count, "images_per_second": count / median, "milliseconds": median * 1e3})
    return {"file": str(path), "size": [height, width], "batches": rows}
