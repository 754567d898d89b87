"""The computation of image classification."""

from __future__ import annotations

from .supervised import Supervised


class Classification(Supervised):
    """A class for every image; see the window ``classification``."""

    target = "label"
