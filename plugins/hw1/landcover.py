"""Land cover from the air in the layout of the course's third problem (DeepGlobe's)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from registry import InputError, Problem
from registry.engine import PairedImages, Pixels, UnreadableImage, pair_files, read_color_mask

CLASS_NAMES: Final = ("urban", "agriculture", "rangeland", "forest", "water", "barren", "unknown")
CLASS_COLORS: Final = (
    (0, 255, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)
UNKNOWN: Final = 6
#: What ``decode`` writes for a colour that is not a class.
NO_CLASS: Final = 255

_LAYOUT = "expected FOLDER/train and FOLDER/validation with pairs 0013_sat.jpg and 0013_mask.png"
_FILE = re.compile(r"(?P<name>[^.].*)_(?:(?P<image>sat\.jpe?g)|(?P<mask>mask\.png))", re.IGNORECASE)

_COLORS = np.array(CLASS_COLORS, np.uint8)
# Indexed by the three channels' upper bits, 4R + 2G + B; 256 long because cv2.LUT wants it so.
_CLASS_OF_CODE = np.full(256, NO_CLASS, np.uint8)
_CLASS_OF_CODE[(_COLORS >> 7) @ np.array([4, 2, 1], np.uint8)] = np.arange(len(CLASS_NAMES))


def encode(mask: Pixels) -> Pixels:
    """Labels (H, W) in 0..6 to their colours (H, W, 3).

    Raises:
        IndexError: a label above 6.
    """
    return np.take(_COLORS, mask, axis=0)


def decode(colours: Pixels) -> tuple[Pixels, int]:
    """Colours (H, W, 3), each channel thresholded at 128, to labels (H, W) and the count of pixels of no class.

    Red alone is not a class: its pixels become ``NO_CLASS``.
    """
    red, green, blue = (np.asarray(channel, np.uint8) for channel in cv2.split(colours))
    code = (red >> 5 & 4) | (green >> 6 & 2) | (blue >> 7)
    mask = np.asarray(cv2.LUT(code, _CLASS_OF_CODE), np.uint8)
    return mask, int(np.count_nonzero(mask == NO_CLASS))


def read_mask(path: Path) -> Pixels:
    """The labels (H, W) of a mask file.

    Raises:
        InputError: unreadable, or it has red pixels.
    """
    mask, wrong = decode(read_color_mask(path))
    if wrong:
        y, x = divmod(int((mask == NO_CLASS).argmax()), mask.shape[1])
        colours = ", ".join(f"{name} {colour}" for name, colour in zip(CLASS_NAMES, CLASS_COLORS, strict=True))
        message = f"{wrong} red pixel{'s' * (wrong > 1)}, the first at (x={x}, y={y}); red is not a class"
        raise UnreadableImage(path, message, f"the classes are {colours}")
    return mask


class LandCover:
    """Satellite images with masks of seven classes, the last of which (unknown) is not learned.

    Args:
        root: the folder that holds both splits.
        train: subfolder of the training pairs ``NAME_sat.jpg`` and ``NAME_mask.png``.
        validation: subfolder of the validation pairs; None for none.

    Raises:
        InputError: a folder is missing or empty, or an image or a mask lacks its other half; every such problem at
            once. Nothing is decoded for it.
    """

    def __init__(self, root: Path, train: str = "train", validation: str | None = "validation") -> None:
        self.facts: dict[str, Any] = {
            "num_classes": len(CLASS_NAMES),
            "class_names": CLASS_NAMES,
            "class_colors": CLASS_COLORS,
            "ignore_index": UNKNOWN,
            "in_channels": 3,
            "image_suffix": "_sat",
        }
        self._splits: dict[str, PairedImages] = {}
        problems: list[Problem] = []
        for split, name in (("train", train), ("val", validation)):
            if name is None:
                continue
            folder = Path(root) / name
            if not folder.is_dir():
                problems.append(Problem(str(folder), "is not a directory", _LAYOUT))
                continue
            files: dict[str, dict[str, Path]] = {"image": {}, "mask": {}}
            for path in folder.iterdir():
                if match := _FILE.fullmatch(path.name):
                    files["image" if match["image"] else "mask"][match["name"]] = path
            pairs, found = pair_files(files["image"], files["mask"], str(folder), _LAYOUT)
            problems += found
            self._splits[split] = PairedImages(pairs, read_mask)
        if problems:
            raise InputError(problems)

    def split(self, name: str) -> PairedImages | None:
        """The samples of ``train`` or ``val``, sorted by name; None without a validation folder.

        Raises:
            InputError: another name; in reading a sample: a picture is broken, its mask has red pixels or another size.
        """
        if name not in ("train", "val"):
            raise InputError.of(name, "is not a split of land cover", "the splits are train, val")
        return self._splits.get(name)
