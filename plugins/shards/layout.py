"""The layout of a packed data set: what its index, its tables and its shards hold.

A shard is a tar file in WebDataset's layout: the members of a sample follow one another and share a key, as in
``000000012.jpg``, ``000000012.mask.png``, ``000000012.cls``. ``index.json`` describes shards and classes; of each split
``SPLIT.npy`` holds where each sample is, and ``SPLIT.names`` holds the samples' names one after another, in UTF-8. Both
tables are mapped into memory: processes of one machine share them, and starting reads almost nothing of them.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

import numpy as np

FORMAT: Final = "hw1cli shards 1"
INDEX: Final = "index.json"
#: One a sample, 40 bytes: its shard; where its image begins in it, and the image's length; where its mask begins, from
#: there, and the mask's length, 0 for none; its label, -1 for none; the CRC-32 of image and mask; where its name
#: begins.
RECORD: Final = np.dtype(
    [
        ("shard", "<u4"),
        ("offset", "<u8"),
        ("image", "<u4"),
        ("mask_at", "<u4"),
        ("mask", "<u4"),
        ("label", "<i4"),
        ("crc", "<u4"),
        ("name", "<u8"),
    ]
)


class File(TypedDict):
    """A file beside the index."""

    file: str
    bytes: int
    sha256: str


class Shard(File):
    """A shard: also its number of samples, and of those of each class."""

    samples: int
    classes: dict[str, int]


class Split(TypedDict):
    """A split: its shards, and its tables by name (``records``, ``names``, and ``flags`` of several labels)."""

    samples: int
    shards: list[Shard]
    tables: dict[str, File]


class Index(TypedDict):
    """``index.json``; ``rasters``: the images are to be read with ``data.bands``."""

    format: str
    facts: dict[str, Any]
    rasters: bool
    splits: dict[str, Split]
