"""``data pack``: any data set written as shards."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from registry import InputError, files
from registry.engine import read_image

from .layout import FORMAT, INDEX, RECORD, File, Index, Shard, Split

#: Images of a split whose files are compared with the data set's own pixels, before files are copied.
_COMPARED: Final = 20
#: Facts that ``data.bands``, ``mean`` and ``std`` of a recipe decide anew.
_SETTINGS: Final = ("bands", "max_value", "mean", "std")


def pack(data: Any, out: Path, shard_bytes: int, progress: Callable[[], None]) -> dict[str, Any]:
    """Write a data set as shards; the same data give the same bytes.

    An image's file is copied as it is; where the data set names no files, or changes their pixels, its pixels are
    written as PNG. Masks are written as PNG of their labels.

    Args:
        data: keeps the contract of the kind ``datasets``.
        out: the folder; missing or empty. After an exception it is as before.
        shard_bytes: a shard that has reached this size is followed by the next one.
        progress: called after each sample.

    Returns:
        ``index``, and the number of samples and shards of each split.

    Raises:
        InputError: ``out`` is not empty; a sample cannot be read.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError.of(str(out), "is not empty", "name a new folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    rasters = "bands" in data.facts
    facts = {name: value for name, value in data.facts.items() if name not in _SETTINGS and not callable(value)}
    index: Index = {"format": FORMAT, "facts": facts, "rasters": rasters, "splits": {}}
    with files.atomic_folder(out) as folder:
        folder.mkdir()
        for name in ("train", "val"):
            if (samples := data.split(name)) is not None:
                index["splits"][name] = _write_split(samples, folder, name, data.facts, shard_bytes, progress)
        files.write_json(folder / INDEX, index)
    counts = {name: f"{s['samples']} samples, {len(s['shards'])} shard(s)" for name, s in index["splits"].items()}
    return {"index": str(out / INDEX), **counts}


def _write_split(
    samples: Any, folder: Path, split: str, facts: Mapping[str, Any], shard_bytes: int, progress: Callable[[], None]
) -> Split:
    names = [str(name) for name in facts.get("class_names") or range(facts.get("num_classes") or 0)]
    records, flags, texts = np.zeros(len(samples), RECORD), list[tuple[int, ...]](), bytearray()
    shards, copied = _Shards(folder, split, shard_bytes), _files_of(samples, "bands" in facts)
    for number, record in enumerate(records):
        sample = samples[number]
        image = _png(sample["image"]) if copied is None else copied[number].read_bytes()
        mask = _png(np.asarray(sample["mask"], np.uint8)) if "mask" in sample else b""
        label = sample.get("label")
        labels = [] if label is None else np.flatnonzero(label).tolist() if isinstance(label, tuple) else [int(label)]
        key = f"{number:09d}"
        shards.begin_sample()
        record["offset"] = shards.add(f"{key}{'.png' if copied is None else copied[number].suffix.lower()}", image)
        if mask:
            record["mask_at"] = shards.add(f"{key}.mask.png", mask) - int(record["offset"])
        if label is not None:
            shards.add(f"{key}.cls", " ".join(map(str, labels)).encode())
        shards.classes.update(names[each] for each in labels)
        record["shard"], record["name"] = len(shards.done), len(texts)
        record["image"], record["mask"], record["crc"] = len(image), len(mask), zlib.crc32(mask, zlib.crc32(image))
        record["label"] = labels[0] if labels and not isinstance(label, tuple) else -1
        flags += [label] if isinstance(label, tuple) else []
        texts += str(sample["name"]).encode("utf-8", "surrogateescape")
        progress()
    shards.finish()
    tables = {"records": _table(folder / f"{split}.npy", _npy(records))}
    tables["names"] = _table(folder / f"{split}.names", bytes(texts))
    if flags:
        tables["flags"] = _table(folder / f"{split}.flags.npy", _npy(np.array(flags, np.uint8)))
    return {"samples": len(samples), "shards": shards.done, "tables": tables}


class _Shards:
    """The shards of a split, one after another."""

    def __init__(self, folder: Path, split: str, shard_bytes: int) -> None:
        self.folder, self.split, self.shard_bytes = folder, split, shard_bytes
        self.done: list[Shard] = []
        self.classes, self._samples = Counter[str](), 0
        self._tar: tarfile.TarFile | None = None

    def begin_sample(self) -> None:
        """What is added next belongs to a new sample."""
        if self._tar is not None and self._tar.offset >= self.shard_bytes:
            self.finish()
        if self._tar is None:
            path = self.folder / f"{self.split}-{len(self.done):06d}.tar"
            self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by finish
        self._samples += 1

    def add(self, name: str, content: bytes) -> int:
        """Add a member; where its content begins."""
        assert self._tar is not None
        member = tarfile.TarInfo(name)  # of the year 1970 and nobody's, so that the same data give the same bytes
        member.size = len(content)
        begin = self._tar.offset + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(content))
        return begin

    def finish(self) -> None:
        """Close the shard that is being written, if there is one."""
        if self._tar is None:
            return
        self._tar.close()
        file = _described(Path(str(self._tar.name)))
        self.done.append({**file, "samples": self._samples, "classes": dict(sorted(self.classes.items()))})
        self._tar, self._samples, self.classes = None, 0, Counter()


def _files_of(samples: Any, rasters: bool) -> list[Path] | None:
    """The file of each image; None where a data set names none, or gives other pixels than they have."""
    paths = getattr(samples, "files", None)
    if paths is None:
        return None
    found = [Path(path[0] if isinstance(path, tuple) else path) for path in paths]
    if rasters:
        return found
    step = max(1, len(found) // _COMPARED)
    same = all(np.array_equal(read_image(found[each]), samples[each]["image"]) for each in range(0, len(found), step))
    return found if same else None


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _table(path: Path, content: bytes) -> File:
    path.write_bytes(content)
    return _described(path)


def _described(path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}
