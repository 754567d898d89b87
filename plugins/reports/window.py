"""Windows of the reports."""

from __future__ import annotations

from typing import Any

from registry import Count, FromData


def mask_stages(
    *,
    images: list[str] | Count = 3,
    at: list[int | str] = ["first", "middle", "last"],  # noqa: B006
    class_names: FromData[list[str]],
    class_colors: FromData[list[tuple[int, int, int]]],
    ignore_index: FromData[int | None] = None,
) -> Any:
    """Predicted masks of a few evaluation images at several epochs: image, truth and stages side by side.

    Args:
        images: names of evaluation images, or how many of the first ones.
        at: epochs: first, middle, last, numbers, '50%', 'every 10'.
        class_names: for the legend.
        class_colors: of masks and legend.
        ignore_index: the label that is not counted in an image's IoU.
    """
    from .mask_stages import MaskStages

    return MaskStages(images, at, class_names, class_colors, ignore_index)
