"""Decoded samples kept on disk: from the second epoch on, images and masks are read instead of decoded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import files
from .samples import Sample, Samples

#: Raised when the layout of the files, or what ``read_image`` returns for a file, changes.
_FORMAT: Final = 2
#: Bytes that the caches of all data sets may take together, unless $HW1CLI_DECODED_GB says otherwise.
_LIMIT_GB: Final = 20.0
#: Share of the disk's free space that a new cache may take.
_OF_FREE: Final = 0.5
#: Where a sample is in the data file, its size, whether it was shrunk, and the checksum of all this and the pixels.
_RECORD: Final = np.dtype(
    [(name, "<u8") for name in ("offset", "height", "width", "channels", "itemsize", "masked", "shrunk", "checksum")]
)


class DecodedSamples:
    """The pixels of a split's samples, in two files: one of pixels, one of records that say where.

    Any number of processes may read and write at once, and be killed at any time: pixels are appended, a record is
    written after its pixels, and a checksum over both is verified when a process reads a sample for the first time.
    Two that write the same sample waste some space.

    Args:
        folder: of the two files.
        length: samples of the split.
    """

    def __init__(self, folder: Path, length: int) -> None:
        self.folder, self.length = folder, length
        self._process = -1
        self._records: np.ndarray | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.length)

    def read(self, index: int) -> tuple[dict[str, np.ndarray], bool] | None:
        """The arrays of a sample and whether they were shrunk; None where it is not there, or damaged."""
        self._open()
        if self._records is None:
            return None
        record = self._records[index].copy()
        height, width, channels, masked = (int(record[name]) for name in ("height", "width", "channels", "masked"))
        itemsize = int(record["itemsize"])
        end = height * width * channels * itemsize
        pixels = np.empty(end + height * width * masked, np.uint8)
        if not len(pixels):
            return None
        self._pixels.seek(int(record["offset"]))
        if self._pixels.readinto(pixels.data) != len(pixels):
            return None
        if not self._verified[index]:
            if _checksum(record, pixels) != record["checksum"]:
                return None
            self._verified[index] = True
        image = pixels[:end].view(f"u{itemsize}").reshape(height, width, channels)
        sample: dict[str, np.ndarray] = {"image": image}
        if masked:
            sample["mask"] = pixels[end:].reshape(height, width)
        return sample, bool(record["shrunk"])

    def write(self, index: int, sample: Mapping[str, np.ndarray], shrunk: bool) -> None:
        """Keep the arrays of a sample; a full disk leaves it out."""
        self._open()
        if self._records is None:
            return
        image, mask = sample["image"], sample.get("mask")
        pixels = image.tobytes() + (mask.tobytes() if mask is not None else b"")
        with suppress(OSError):
            self._pixels.seek(0, os.SEEK_END)
            if self._pixels.write(pixels) != len(pixels):
                return
            record = np.zeros((), _RECORD)
            record["offset"] = self._pixels.tell() - len(pixels)
            record["height"], record["width"], record["channels"] = image.shape
            record["itemsize"], record["masked"], record["shrunk"] = image.itemsize, mask is not None, shrunk
            record["checksum"] = _checksum(record, pixels)
            self._records[index] = record

    def _open(self) -> None:
        """Open the files anew in each process: a worker that shared the position of its parent's would misread."""
        if self._process != os.getpid():
            self._process, self._records = os.getpid(), None
            self._verified = np.zeros(self.length, bool)
            with suppress(OSError, ValueError):  # removed by another run that needed the room, or cut short
                self._pixels = open(self.folder / "pixels.bin", "a+b", buffering=0)  # noqa: SIM115 - kept open
                self._records = np.memmap(self.folder / "records.bin", _RECORD, "r+", shape=(self.length,))


def _checksum(record: np.ndarray, pixels: Any) -> int:
    head = record.copy()
    head["checksum"] = 0
    return zlib.crc32(pixels, zlib.crc32(head.tobytes())) or 1


def file_stamps(paths: Sequence[Any]) -> list[tuple[str, int, int]]:
    """Path, size and time of change of files; those of one sample may be a tuple."""
    return [_stamp(path) for each in paths for path in (each if isinstance(each, tuple) else (each,))]


def open_decoded(
    samples: Samples, identity: Any, sample: Sample, parent: Path | None
) -> tuple[DecodedSamples | None, str]:
    """The kept samples of a split, and a sentence about them; None where they cannot be kept.

    Args:
        samples: with ``files``, the paths that each sample is read from, or a ``fingerprint``, which changes with the
            samples' content; ``labels`` where samples have a label.
        identity: what the arrays depend on besides the files: the data set, its arguments, a first transform.
        sample: the first one, as it would be kept.
        parent: the folder of all caches; None for the usual one.
    """
    paths: Sequence[Any] | None = getattr(samples, "files", None)
    arrays = {name: value for name, value in sample.items() if isinstance(value, np.ndarray)}
    fits = sample.keys() <= {"image", "mask", "name", "label"} and all(
        array.dtype in ((np.uint8, np.uint16) if name == "image" else (np.uint8,)) for name, array in arrays.items()
    )
    fingerprint = getattr(samples, "fingerprint", None)
    if (paths is None and fingerprint is None) or not fits or ("label" in sample and not hasattr(samples, "labels")):
        return None, "decoded in every epoch: the data set does not name the files of its samples"
    text = json.dumps([_FORMAT, identity, fingerprint or file_stamps(paths or [])], sort_keys=True, default=str)
    parent = parent or files.folder() / "decoded"
    folder = parent / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    expected = len(samples) * sum(array.nbytes for array in arrays.values())
    records = folder / "records.bin"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if not records.exists():
            reason = _make_room(parent, expected)
            if reason is not None:
                return None, f"decoded in every epoch: {reason}"
            folder.mkdir(exist_ok=True)
            with files.atomic_write(records, "wb") as file:
                file.write(bytes(len(samples) * _RECORD.itemsize))
        os.utime(records)  # the least recently used are removed first
    except OSError as error:
        return None, f"decoded in every epoch: {parent} cannot be written ({error.strerror or error})"
    return DecodedSamples(folder, len(samples)), f"decoded once, then read from {parent}"


def _stamp(path: Any) -> tuple[str, int, int]:
    """What changes with a file's content; zeros for one that is missing, which reading it reports."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - a string, or a path
    except OSError:
        return os.fspath(path), 0, 0
    return os.fspath(path), stat.st_size, stat.st_mtime_ns


def _make_room(parent: Path, wanted: int) -> str | None:
    """Remove the least recently used caches; the reason where the disk has too little room, else None."""
    limit = float(os.environ.get("HW1CLI_DECODED_GB", _LIMIT_GB)) * 1e9
    free = shutil.disk_usage(parent).free
    if wanted > min(limit, free * _OF_FREE):
        return f"{_size(wanted)} of pixels are more than {_size(min(limit, free * _OF_FREE))}, the room for them"
    kept = sorted((path for path in parent.glob("*/records.bin")), key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.parent.iterdir()) for path in kept}
    for path in kept:
        if sum(sizes.values()) + wanted <= limit:
            break
        aside = path.parent.with_name(f".{path.parent.name}.{os.getpid()}.removed")
        os.replace(path.parent, aside)  # a run that still reads it goes on: the files stay until it closes them
        shutil.rmtree(aside, ignore_errors=True)
        del sizes[path]
    return None


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
