"""Folders of masks: files paired by name, and their values or colours as indices of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from PIL import Image

from ...errors import InputError, Problem
from .classes import Classes
from .images import IMAGE_SUFFIXES, Pixels, UnreadableImage, read_color_mask, read_index_mask

#: What names of masks and images end in, besides the name that pairs them. First those that a mask is likelier to have.
_ENDINGS: Final = ("_mask", "_pred", "", "_sat")
#: What pictures end in that are for the eye alone, as ``predict`` draws them.
_DRAWN: Final = "_overlay"
_JPEG: Final = frozenset({".jpg", ".jpeg"})
#: Without known classes, a truth of more colours is taken for photographs.
_MOST_COLORS: Final = 256

Stored = Literal["values", "palette", "colors"]


def find_masks(folder: Path) -> dict[str, Path]:
    """Name -> mask file, names without ``_mask``, ``_pred``, ``_sat``; images beside their masks are passed over.

    Raises:
        InputError: no folder, no pictures, or two masks of one name.
    """
    groups = _by_name(folder)
    problems, found = [], {}
    for name, files in groups.items():
        ranked = sorted(files, key=_rank)
        if len(ranked) > 1 and _rank(ranked[0]) == _rank(ranked[1]):
            message = f"has the same name as {ranked[0].name}"
            problems.append(Problem(str(ranked[1]), message, "keep one of them"))
        found[name] = ranked[0]
    if problems:
        raise InputError(problems)
    return found


def find_images(folder: Path, masks: Mapping[str, Path]) -> dict[str, Path]:
    """Name -> image file, for those that are there and are not the masks themselves.

    Raises:
        InputError: no folder, or no pictures.
    """
    own = {path.resolve() for path in masks.values()}
    found = {}
    for name, files in _by_name(folder).items():
        rest = [path for path in files if path.resolve() not in own]
        if rest:
            found[name] = max(rest, key=_rank)
    return found


def _by_name(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise InputError.of(str(folder), "is no folder", "masks are pictures in a folder; labels are a .csv file")
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.stem.endswith(_DRAWN) or path.name.startswith("."):
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            groups.setdefault(path.stem.removesuffix(_ending(path)), []).append(path)
    if not groups:
        raise InputError.of(str(folder), "holds no pictures", f"endings: {', '.join(sorted(IMAGE_SUFFIXES))}")
    return groups


def _ending(path: Path) -> str:
    return next((ending for ending in _ENDINGS if ending and path.stem.endswith(ending) and path.stem != ending), "")


def _rank(path: Path) -> tuple[int, bool]:
    """Lower for a file that is likelier to be a mask."""
    return _ENDINGS.index(_ending(path)), path.suffix.lower() in _JPEG


def stored(path: Path) -> Stored:
    """How a mask holds its labels; what cannot be read is told when it is read."""
    try:
        with Image.open(path) as image:
            mode = image.mode
    except Exception:  # Pillow's decoders fail in every way there is
        return "values"
    return "palette" if mode == "P" else "values" if mode in ("1", "L", "F") or mode.startswith("I") else "colors"


@dataclass(frozen=True)
class MaskReader:
    """Reads masks as indices of classes.

    Args:
        classes: what the indices mean.
        by_value: (256,) index of each value; -1 for one of no class.
        by_color: 0xRRGGBB -> index; empty where masks hold values.
        grey_is_color: whether grey pictures hold colours too.
    """

    classes: Classes
    by_value: np.ndarray
    by_color: Mapping[int, int]
    grey_is_color: bool = False

    def __call__(self, path: Path) -> Pixels:
        """The indices (H, W), uint8.

        Raises:
            UnreadableImage: it cannot be read, or holds a value or a colour of no class.
        """
        as_colors = {"values": self.grey_is_color, "palette": True, "colors": True}
        if self.by_color and as_colors[stored(path)]:
            return self._of_colors(path)
        values = read_index_mask(path)
        indices = self.by_value[values]
        if (indices < 0).any():
            strange, counts = np.unique(values[indices < 0], return_counts=True)
            some = [f"{value} ({number} pixels)" for value, number in zip(strange, counts, strict=True)]
            known = ", ".join(map(str, np.flatnonzero(self.by_value >= 0)[:20]))
            raise _strange(path, "values", some, f"the known values: {known}")
        return indices.astype(np.uint8)

    def _of_colors(self, path: Path) -> Pixels:
        pixels = packed(path)
        known = np.array(sorted(self.by_color), np.uint32)
        place = np.minimum(np.searchsorted(known, pixels), len(known) - 1)
        wrong = pixels != known[place]
        if wrong.any():
            strange, counts = np.unique(pixels[wrong], return_counts=True)
            order = counts.argsort()[::-1]
            some = [f"#{strange[at]:06x} ({counts[at]} pixels)" for at in order[:6]]
            told = ", ".join(f"#{color:06x}" for color in list(self.by_color)[:20])
            raise _strange(path, "colours", some, f"the known colours: {told}")
        return np.array([self.by_color[int(color)] for color in known], np.uint8)[place]


def packed(path: Path) -> np.ndarray:
    """A mask's colours as 0xRRGGBB, (H, W) uint32."""
    colors = read_color_mask(path).astype(np.uint32)
    return np.asarray(colors[..., 0] << 16 | colors[..., 1] << 8 | colors[..., 2])


def _strange(path: Path, what: str, some: Sequence[str], known: str) -> UnreadableImage:
    more = ", ..." if len(some) > 5 else ""
    return UnreadableImage(path, f"has {what} of no class: {', '.join(some[:5])}{more}", known)


def values_in(files: Sequence[Path], as_colors: bool) -> list[int]:
    """The values, or colours as 0xRRGGBB, that occur in those masks that can be read, sorted.

    Raises:
        InputError: more than 256 colours, or no mask can be read; the latter with every file, 20 at most.
    """
    found: set[int] = set()
    problems: list[Problem] = []
    for path in files:
        try:
            found |= {int(value) for value in np.unique(packed(path) if as_colors else read_index_mask(path))}
        except UnreadableImage as error:
            problems += error.problems
        if len(found) > _MOST_COLORS:
            message = f"the truth has more than {_MOST_COLORS} colours by now: these are no masks"
            raise InputError.of(str(path), message, "masks are PNGs with one colour, or value, for each class")
    if not found:
        raise InputError(problems[:20])
    return sorted(found)


def reader_for(
    truth: Sequence[Path], predictions: Sequence[Path], known: KnownClasses | None, **rule: Any
) -> MaskReader:
    """The reader that both sides are read with: by colours as soon as one file holds colours, else by values.

    Args:
        truth, predictions: mask files.
        known: the classes, when they are known; else they are what occurs in the truth.
        rule: ``ignore`` (a name, a value or #rrggbb) and ``count_against``.

    Raises:
        InputError: the classes and the masks do not agree.
    """
    as_colors = "colors" in {stored(path) for path in (*truth, *predictions)}
    ignore, count_against = rule.get("ignore"), bool(rule.get("count_against"))
    if known is None:
        values = values_in(truth, as_colors)
        names = [f"#{value:06x}" if as_colors else str(value) for value in values]
        known = KnownClasses(names, [_rgb(value) for value in values] if as_colors else None)
        labels = values
    elif as_colors:
        if known.colors is None:
            hint = "name colours too, as in --classes urban=#00ffff,water=#0000ff"
            raise InputError.of("--classes", "has no colours, and the masks hold colours", hint)
        labels = [_packed(color) for color in known.colors]
    else:
        labels = [*range(len(known.names))]
    index, further = known.ignored(ignore, labels, as_colors)
    left_out = None if ignore is not None else known.left_out
    classes = Classes.of(known.names, known.colors, index, count_against=count_against, left_out=left_out)
    table = {label: place for place, label in enumerate(labels)}
    if further is not None and classes.ignored is not None:
        table[further] = classes.ignored
    by_value = np.full(256, -1)
    if as_colors:
        by_value[: len(known.names)] = np.arange(len(known.names))
        if known.ignore_index is not None and classes.ignored is not None:
            by_value[known.ignore_index] = classes.ignored
        return MaskReader(classes, by_value, table, grey_is_color=not known.given)
    by_value[list(table)] = list(table.values())
    return MaskReader(classes, by_value, {})


@dataclass(frozen=True)
class KnownClasses:
    """Classes that are known beforehand.

    Attributes:
        names: in the order of their labels.
        colors: in masks that hold colours; None when not known.
        ignore_index: the ignored label, one of them or none of them.
        left_out: names of those left out of means; None for the ignored one.
        given: whether they were given, and not found in the truth.
    """

    names: Sequence[str]
    colors: Sequence[Any] | None = None
    ignore_index: int | None = None
    left_out: Sequence[str] | None = None
    given: bool = False

    def ignored(self, ignore: str | None, labels: Sequence[int], as_colors: bool) -> tuple[int | None, int | None]:
        """The ignored label among ``names`` (beyond them where it is no class), and what masks hold for it then.

        Args:
            ignore: the user's word for it, None for ``ignore_index``.
            labels: what masks hold for each class.
            as_colors: whether that are colours.

        Raises:
            InputError: the word means nothing here.
        """
        outside = len(self.names)
        if ignore is None:
            index = self.ignore_index
            if index is None or index < outside:
                return index, None
            return outside, None if as_colors else index
        if ignore in self.names:
            return list(self.names).index(ignore), None
        value = _parsed(ignore, as_colors)
        if value is None:
            what = "a colour, as in '#000000'" if as_colors else "a value, as in 255"
            hint = f"name one of the classes ({', '.join(list(self.names)[:12])}) or {what}"
            raise InputError.of("--ignore", f"there is no class {ignore!r}", hint)
        return (list(labels).index(value), None) if value in labels else (outside, value)


def parse_classes(text: str) -> KnownClasses:
    """The classes of ``--classes``: ``urban,water`` or ``urban=#00ffff,water=#0000ff``.

    Raises:
        InputError: a name twice, a colour twice, a word that is no colour, or colours for some only.
    """
    names, colors = [], []
    for item in text.split(","):
        name, given, color = (part.strip() for part in item.partition("="))
        value = _parsed(color, True) if given else None
        if not name or (given and value is None):
            raise InputError.of("--classes", f"{item!r} is no NAME or NAME=#rrggbb", "urban=#00ffff,water=#0000ff")
        names.append(name)
        colors += [_rgb(value)] if value is not None else []
    if len(set(names)) < len(names) or len(set(colors)) < len(colors):
        raise InputError.of("--classes", "has a name or a colour twice")
    if colors and len(colors) < len(names):
        raise InputError.of("--classes", "gives some classes a colour and others none")
    if len(names) > 256:
        raise InputError.of("--classes", f"has {len(names)} names", "give 256 at most")
    return KnownClasses(names, colors or None, given=True)


def _parsed(word: str, as_color: bool) -> int | None:
    digits = word.removeprefix("#") if as_color else word
    try:
        value = int(digits, 16 if as_color else 10)
    except ValueError:
        return None
    right = word.startswith("#") and len(digits) == 6 if as_color else 0 <= value <= 255
    return value if right else None


def _rgb(value: int) -> tuple[int, int, int]:
    return value >> 16, value >> 8 & 255, value & 255


def _packed(color: Sequence[int]) -> int:
    return int(color[0]) << 16 | int(color[1]) << 8 | int(color[2])
