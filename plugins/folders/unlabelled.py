"""Images without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from registry import InputError
from registry.engine import images_in

from .labelled import Labelled


class Images:
    """Every image below a folder, for learning without labels; there is no evaluation split.

    Args:
        root: the folder; its folders are looked into as well.

    Raises:
        InputError: it does not exist, or has no images.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError.of(str(root), "is not a directory", "name the folder that holds the images")
        files = images_in(root, deep=True)
        if not files:
            raise InputError.of(str(root), "has no images")
        self.facts: dict[str, Any] = {"in_channels": 3}
        names = [str(file.relative_to(root)) for file in files]
        self._samples = Labelled(files, [None] * len(files), names)

    def split(self, name: str) -> Labelled | None:
        """All images for ``train``, None for ``val``."""
        return self._samples if name == "train" else None
