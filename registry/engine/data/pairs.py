"""Image and mask files joined by their names, and read as samples."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, overload

from ...errors import InputError, Problem
from .images import IMAGE_SUFFIXES, Pixels, UnreadableImage, images_in, read_image

Sample: TypeAlias = dict[str, Any]

#: What the stems of masks may end in, besides the name: as ``predict`` and many tools write them.
MASK_ENDINGS: Final = ("_mask", "_pred")
#: What the stems of overlays end in, which ``predict`` draws for the eye alone.
OVERLAY: Final = "_overlay"
_LOSSY: Final = frozenset({".jpg", ".jpeg"})
_SUFFIXES: Final = f"image files end in {', '.join(sorted(IMAGE_SUFFIXES))}"


class Pair(NamedTuple):
    """An image, its mask, and the name by which they were paired."""

    name: str
    image: Path
    mask: Path


def files_by_name(folder: Path, suffix: str = "", other: str = "") -> dict[str, Path]:
    """Name -> image file ``NAME{suffix}.EXT``.

    Args:
        folder: the folder, without its subfolders.
        suffix: what the stems have after the name; files without it are skipped.
        other: the suffix of the other half of each pair in the same folder; its files are skipped.

    Raises:
        InputError: the folder is missing or has no such files, or two files have the same name; all problems at once.
    """
    if not folder.is_dir():
        raise InputError.of(str(folder), "is not a directory")
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in images_in(folder):
        if not path.stem.endswith(suffix) or (len(other) > len(suffix) and path.stem.endswith(other)):
            continue
        name = path.stem.removesuffix(suffix)
        if name in found:
            problems.append(Problem(str(path), f"has the same name as {found[name].name}", "keep one of them"))
        found[name] = path
    if not found:
        problems.append(Problem(str(folder), f"has no images NAME{suffix}.EXT", _SUFFIXES))
    if problems:
        raise InputError(problems)
    return found


def pair_files(
    images: Mapping[str, Path], masks: Mapping[str, Path], where: str, hint: str
) -> tuple[list[Pair], list[Problem]]:
    """Images and masks of one split joined by name, sorted; and a problem where one half is missing, or both.

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
        problems.append(Problem(where, "has no images and no masks", hint))
    return [Pair(name, images[name], masks[name]) for name in sorted(images.keys() & masks.keys())], problems


def find_masks(folder: Path) -> dict[str, Path]:
    """Name -> mask file, names without ``_mask`` or ``_pred``; images beside the masks are skipped.

    Of two files of one name, the one that ends in ``_mask`` is the mask, else the lossless one. A file ``NAME_any`` is
    the image of the mask NAME where it is a JPEG, or the mask ends in ``_mask`` or ``_pred``.

    Raises:
        InputError: the folder is missing or has no images, or two masks have the same name.
    """
    found: dict[str, Path] = {}
    problems = []
    for path in sorted(_image_files(folder), key=_rank):
        earlier = found.setdefault(path.stem.removesuffix(_ending(path)), path)
        if earlier is not path and _rank(earlier)[:2] == _rank(path)[:2]:
            problems.append(Problem(str(path), f"has the same name as {earlier.name}", "keep one of them"))
    if problems:
        raise InputError(problems)

    def is_image_of_another(name: str, path: Path) -> bool:
        others = (found[other] for other in _names_of(name) if other != name and other in found)
        return not _ending(path) and any(_ending(other) or _rank(other)[1] < _rank(path)[1] for other in others)

    return {name: path for name, path in sorted(found.items()) if not is_image_of_another(name, path)}


def find_images(folder: Path, masks: Mapping[str, Path]) -> dict[str, Path]:
    """Mask name -> its image, a file NAME.EXT, else NAME_any.EXT, that is not a mask; names without one are left out.

    Raises:
        InputError: the folder is missing or has no images.
    """
    own = {path.resolve() for path in masks.values()}
    others = [path for path in _image_files(folder) if path.resolve() not in own]
    nearest = {path: next((name for name in _names_of(path.stem) if name in masks), None) for path in others}
    named = [(name, path) for path, name in nearest.items() if name is not None]
    # Of a_sat.jpg and a stray a_2.jpg, the image is the one whose ending more names have.
    endings = Counter(path.stem.removeprefix(name) for name, path in named)

    def rank(named: tuple[str, Path]) -> tuple[bool, int, int]:
        ending = named[1].stem.removeprefix(named[0])
        return bool(ending), -endings[ending], len(ending)

    return dict(sorted(named, key=rank, reverse=True))


def with_common_names(
    truth: Mapping[str, Path], predictions: Mapping[str, Path]
) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Both as they are; where no name is on both sides, without the ending that all names of a side share."""
    stripped = []
    for files in (truth, predictions):
        shared = os.path.commonprefix([name[::-1] for name in files])[::-1]  # noqa: RUF071 - names, not paths
        ending = next(iter(re.findall(r"[_.-].*", shared)), "")
        stripped.append({name.removesuffix(ending) or name: path for name, path in files.items()})
    as_they_are = not truth.keys().isdisjoint(predictions) or stripped[0].keys().isdisjoint(stripped[1])
    return (truth, predictions) if as_they_are else (stripped[0], stripped[1])


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError.of(str(folder), "is not a directory", "masks are images in a folder; labels are a .csv file")
    files = [path for path in images_in(folder) if not path.stem.endswith(OVERLAY)]
    if not files:
        raise InputError.of(str(folder), "has no images", _SUFFIXES)
    return files


def _ending(path: Path) -> str:
    return next((ending for ending in MASK_ENDINGS if path.stem.endswith(ending) and path.stem != ending), "")


def _rank(path: Path) -> tuple[int, bool, str]:
    """Lower for a file that is likelier to be a mask."""
    return [*MASK_ENDINGS, ""].index(_ending(path)), path.suffix.lower() in _LOSSY, path.name


def _names_of(stem: str) -> Iterator[str]:
    """The stem, and what precedes each of its separators, the longest first."""
    yield stem
    yield from (stem[: match.start()] for match in reversed(list(re.finditer(r"[_.-]", stem))))


class PairedImages(Sequence[Sample]):
    """Images with their masks, read on access: dicts of ``image`` (H, W, 3), ``mask`` (H, W) and ``name``.

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

    @property
    def files(self) -> list[tuple[Path, ...]]:
        """The files that each sample is read from."""
        return [(pair.image, pair.mask) for pair in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> PairedImages: ...
    def __getitem__(self, index: int | slice) -> Sample | PairedImages:
        if isinstance(index, slice):
            return PairedImages(self.pairs[index], self._read_mask)
        pair = self.pairs[index]
        image, mask = read_image(pair.image), self._read_mask(pair.mask)
        if image.shape[:2] != mask.shape:
            (height, width), (mask_height, mask_width) = image.shape[:2], mask.shape
            message = f"is {mask_width}x{mask_height}, but its image {pair.image} is {width}x{height}"
            raise UnreadableImage(pair.mask, message)
        return {"image": image, "mask": mask, "name": pair.name}
