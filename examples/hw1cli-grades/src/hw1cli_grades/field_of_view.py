"""A round field of view."""

from __future__ import annotations

from typing import Any

import numpy as np
from albumentations import ImageOnlyTransform


class FieldOfView(ImageOnlyTransform):  # type: ignore[misc]
    """Blacks out everything outside a random circle; see the spec ``field_of_view``."""

    def __init__(self, least: float = 0.7, shift: float = 0.1, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.least, self.shift = least, shift

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Sample the circle; the run seeds ``self.random_generator`` by its seed, the epoch and the image."""
        height, width = params["shape"][:2]
        side = min(height, width)
        radius = side / 2 * self.random_generator.uniform(self.least, 1)
        row, column = self.random_generator.uniform(-self.shift, self.shift, 2) * side
        rows, columns = np.ogrid[:height, :width]
        away = (rows - (height - 1) / 2 - row) ** 2 + (columns - (width - 1) / 2 - column) ** 2
        return {"outside": away > radius**2}

    def apply(self, img: np.ndarray, outside: np.ndarray, **params: Any) -> np.ndarray:
        """(H, W, 3) uint8 -> the same."""
        seen = img.copy()
        seen[outside] = 0
        return seen
