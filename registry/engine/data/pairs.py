"""Images joined to their masks, and read as samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, overload

from ...errors import Problem

from .images import Pixels, UnreadableImage, read_image

Sample: TypeAlias = dict[str, Any]


class Pair(NamedTuple):
    """An image, its mask, and the name by which they were paired."""

    name: str
    image: Path
    mask: Path


def pair_files(
    images: Mapping[str, Path], masks: Mapping[str, Path], where: str, hint: str
) -> tuple[list[Pair], list[Problem]]:
    """Images and masks of one split joined by name, sorted; and what is amiss: nothing there, or one without the other.

    Args:
        images: name -> file.
        masks: name -> file.
        where: the folder that a problem names.
        hint: the layout that is expected.
    """
    problems = []
    for kind, other, lone in (("image", "mask", images.keys() - masks), ("mask", "image", masks.keys() - images)):
        if lone:
            some = ", ".join(sorted(lone)[:5]) + (", ..." if len(lone) > 5 else "")
            problems.append(Problem(where, f"{len(lone)} {kind}{'s' * (len(lone) > 1)} without {other}: {some}", hint))
    if not images and not masks:
        problems.append(Problem(where, "holds no images and no masks", hint))
    return [Pair(name, images[name], masks[name]) for name in sorted(images.keys() & masks.keys())], problems


class PairedPictures(Sequence[Sample]):
    """Images with their masks, read when asked for: dicts of ``image`` (H, W, 3), ``mask`` (H, W) and ``name``.

    Args:
        pairs: the files.
        read_mask: file -> labels, uint8, (H, W).
    """

    def __init__(self, pairs: Sequence[Pair], read_mask: Callable[[Path], Pixels]) -> None:
        self.pairs = pairs
        self._read_mask = read_mask

    @property
    def names(self) -> list[str]:
        """The samples' names, in order; nothing is read."""
        return [pair.name for pair in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> PairedPictures: ...
    def __getitem__(self, index: int | slice) -> Sample | PairedPictures:
        if isinstance(index, slice):
            return PairedPictures(self.pairs[index], self._read_mask)
        pair = self.pairs[index]
        image, mask = read_image(pair.image), self._read_mask(pair.mask)
        if image.shape[:2] != mask.shape:
            (height, width), (mask_height, mask_width) = image.shape[:2], mask.shape
            raise UnreadableImage(
                pair.mask, f"is {mask_width} x {mask_height}, but its image {pair.image} is {width} x {height}"
            )
        return {"image": image, "mask": mask, "name": pair.name}
