"""Images that occur twice: the same file, or nearly the same picture, resized, encoded anew or mirrored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...errors import InputError
from ..data.colors import displayed
from ..data.images import read_image
from .scan import labels_of, spread

#: Images of a split that are compared at most.
_MOST: Final = 20_000
#: Side of the picture that is hashed, and of the block of its lowest frequencies, whose signs are the hash.
_SIDE, _LOW = 32, 8
#: Bits of 63 in which hashes of near duplicates differ at most, and the least correlation of their pictures.
_BITS, _ALIKE = 10, 0.97
#: Pictures of less contrast (standard deviation, of 255) are compared by their files alone.
_FLAT: Final = 4.0
#: Mirrored left to right and top to bottom: each turns the sign of the odd frequencies along it.
_FLIPS: Final = {"": (1, 1), "mirrored": (1, -1), "upside down": (-1, 1), "turned by 180 degrees": (-1, -1)}


@dataclass(frozen=True)
class Pictures:
    """The images of all splits, small.

    Attributes:
        split, name, labels: of each of the N images; no label where it has none.
        digest: of each file; of the pixels where a split names no files.
        small: (N, 32, 32) float32, grey, with mean 0 and length 1; zeros of flat ones.
        color: (N, 32, 32, 3) uint8, to be shown.
    """

    split: Sequence[str]
    name: Sequence[str]
    labels: Sequence[tuple[int, ...]]
    digest: Sequence[bytes]
    small: np.ndarray
    color: np.ndarray


def pictures(splits: Mapping[str, Any]) -> Pictures:
    """Read the images of splits, at most 20,000 of each; those that cannot be read are left out."""
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    for split, samples in splits.items():
        files, labels = getattr(samples, "files", None), getattr(samples, "labels", None)
        rasters = "bands" in getattr(samples, "facts", {})
        for index in spread(len(samples), _MOST):
            try:
                if files is None or rasters:
                    content, image = b"", np.asarray(samples[index]["image"])
                else:
                    file = Path(files[index][0] if isinstance(files[index], tuple) else files[index])
                    content, image = file.read_bytes(), read_image(file)
            except (InputError, OSError):
                continue  # the scan reports it
            digest = hashlib.blake2b(content or image.tobytes(), digest_size=16).digest()
            color = cv2.resize(displayed(image), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
            label = labels_of(None if labels is None else labels[index])
            for column, value in zip(columns, (split, samples.names[index], label, digest, color), strict=True):
                column.append(value)
    color = np.stack(columns[4]) if columns[4] else np.zeros((0, _SIDE, _SIDE, 3), np.uint8)
    grey = color.astype(np.float32).mean(3)
    grey -= grey.mean((1, 2), keepdims=True)
    grey[grey.std((1, 2)) < _FLAT] = 0
    small = grey / np.maximum(np.linalg.norm(grey, axis=(1, 2), keepdims=True), 1e-9)
    of_split, name, of_label, digests, _ = columns
    return Pictures(of_split, name, of_label, digests, small, color)


def hashes(small: np.ndarray) -> np.ndarray:
    """Perceptual hashes (N, 8, 8) of (N, 32, 32) pictures: the signs -1 or 1 of their lowest frequencies, 0 of a mean.

    Mirroring a picture turns the signs of its odd frequencies, so that one hash serves for all its flips.
    """
    low = dctn(small, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW]
    signs = np.where(low > 0, 1, -1).astype(np.float32)
    signs[:, 0, 0] = 0
    return signs


def duplicates(found: Pictures, block: int = 1024) -> list[dict[str, Any]]:
    """Groups of images that are the same.

    Args:
        found: the images.
        block: rows of a comparison at a time; memory alone depends on it.

    Returns:
        ``kind`` (``exact``, or ``near`` where a file differs), ``members`` (indices), ``how`` (words for how they
        differ: mirrored, ...), ``splits`` and ``labels`` that they have; leaks between splits first, then conflicts of
        labels.
    """
    pairs: dict[tuple[int, int], str] = {}
    first: dict[bytes, int] = {}
    for index, digest in enumerate(found.digest):
        if (same := first.setdefault(digest, index)) != index:
            pairs[same, index] = ""
    codes = hashes(found.small)
    flat: np.ndarray = ~np.any(found.small, axis=(1, 2))
    blurred = found.small.reshape(-1, _SIDE // 2, 2, _SIDE // 2, 2).mean((2, 4))
    blurred /= np.maximum(np.linalg.norm(blurred, axis=(1, 2), keepdims=True), 1e-9)
    odd = np.where(np.arange(_LOW) % 2, -1, 1)
    for how, (down, across) in _FLIPS.items():
        turned = codes * np.where(down < 0, odd, 1)[:, None] * np.where(across < 0, odd, 1)[None]
        mirrored = blurred[:, ::down, ::across]
        for start in range(0, len(codes), block):
            agreeing = codes[start : start + block].reshape(-1, _LOW**2) @ turned.reshape(-1, _LOW**2).T
            ones, others = np.nonzero(agreeing >= _LOW**2 - 1 - 2 * _BITS)
            ones += start
            possible = (ones < others) & ~flat[ones] & ~flat[others]
            for part in np.array_split(np.flatnonzero(possible), 1 + possible.sum() // 20_000):
                one, other = ones[part], others[part]
                alike = np.einsum("nij,nij->n", blurred[one], mirrored[other]) >= _ALIKE
                for pair in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
                    pairs.setdefault(pair, how)
    if not pairs:
        return []
    ends = np.array(list(pairs)).T
    _, group = connected_components(coo_array((np.ones(ends.shape[1]), ends), shape=(len(codes),) * 2), directed=False)
    members: dict[int, list[int]] = {}
    for index in sorted(set(ends.ravel().tolist())):
        members.setdefault(int(group[index]), []).append(index)
    words: dict[int, set[str]] = {}
    for (one_of_them, _), word in pairs.items():
        words.setdefault(int(group[one_of_them]), set()).update([word] if word else [])
    groups: list[dict[str, Any]] = []
    for number, own in members.items():
        kind = "exact" if len({found.digest[index] for index in own}) == 1 else "near"
        labels = sorted({label for index in own if (label := found.labels[index])})
        splits = sorted({found.split[index] for index in own})
        flips = sorted(words[number])
        groups.append({"kind": kind, "members": own, "how": flips, "splits": splits, "labels": labels})

    def rank(each: Mapping[str, Any]) -> tuple[Any, ...]:
        return len(each["splits"]) < 2, len(each["labels"]) < 2, each["kind"], each["members"]

    return sorted(groups, key=rank)
