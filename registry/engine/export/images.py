"""Images to verify an exported file with: the run's own, or others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...errors import InputError
from ..console import Console
from ..data.images import images_in, read_image
from ..evaluate.run import with_data
from ..train.prepare import open_data
from ..train.saved_run import SavedRun

#: How many: two in one batch, three in the other.
_COUNT: Final = 5


def example_images(chosen: Sequence[str], saved: SavedRun, console: Console) -> list[np.ndarray]:
    """Five images, uint8 (H, W, C): of the folders and files that were named, else of the run's evaluation split.

    Raises:
        InputError: images are missing.
    """
    if chosen:
        paths = [path for name in chosen for path in (images_in(Path(name)) if Path(name).is_dir() else [Path(name)])]
        images = [read_image(path) for path in paths[:_COUNT]]
    else:
        try:
            data = open_data(with_data(saved.plan, None, console))
        except InputError as error:
            hint = "or verify with other images: --images FOLDER"
            raise InputError.of(error.problems[0].path, error.problems[0].message, hint) from error
        samples: Any = next((split for name in ("val", "train") if (split := data.split(name))), [])
        images = [samples[index]["image"] for index in range(min(_COUNT, len(samples)))]
    if not images:
        raise InputError.of("--images", "lacks images to verify the file with", "--images FOLDER names some")
    return [images[number % len(images)] for number in range(_COUNT)]
