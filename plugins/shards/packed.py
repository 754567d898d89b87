"""The data set ``shards``: samples read at random from shards."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from registry import InputError
from registry.engine import UnreadableImage, read_image, read_index_mask

from .layout import FORMAT, INDEX, RECORD, Index, Split
from .source import Folder, Server, Source


class Shards:
    """A packed data set. Its samples have the order and names that they had when it was packed.

    Args:
        index: ``index.json``, or the folder that holds it: a path, or an http(s) address.
        cache: of an address: keep whole shards; see ``Server``.

    Raises:
        InputError: the index cannot be read or is not one; a table or a shard is missing or has another size.
    """

    def __init__(self, index: str, cache: bool = True) -> None:
        source = open_source(index, cache)
        try:
            found: Index = json.loads(source.index())
            known = found["format"]
        except OSError as error:
            raise InputError.of(index, f"cannot be read: {error.strerror}", "name an index.json") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError.of(index, "is not an index of shards", "hw1cli data pack writes one") from error
        if known != FORMAT:
            raise InputError.of(index, f"has the format {known!r}, expected {FORMAT!r}", "pack the data again")
        self.facts = {**found["facts"]}
        self._splits = {name: Packed(source, split) for name, split in found["splits"].items()}

    def split(self, name: str) -> Packed | None:
        """The samples of ``train`` or ``val``; None where the packed data had no such split."""
        return self._splits.get(name)


class Packed:
    """The samples of a split: dicts of ``image`` (H, W, C) and ``name``, with ``mask`` uint8 (H, W) or ``label``.

    Args:
        source: where the files are.
        split: as the index describes it.
    """

    def __init__(self, source: Source, split: Split) -> None:
        self._source, self._split = source, split
        if isinstance(source, Folder):
            for shard in split["shards"]:
                source.whole(shard)
        self._tables = {name: source.whole(file) for name, file in split["tables"].items()}
        if len(self._records) != split["samples"]:
            raise InputError.of(str(self._tables["records"]), f"has {len(self._records)} samples, expected {len(self)}")

    def __getstate__(self) -> dict[str, Any]:
        # A worker maps the tables itself: they are not sent to it.
        return {name: self.__dict__[name] for name in ("_source", "_split", "_tables")}

    @cached_property
    def _records(self) -> np.ndarray:
        found = np.load(self._tables["records"], mmap_mode="r")
        if found.dtype != RECORD:
            raise InputError.of(str(self._tables["records"]), "is not a table of samples", "pack the data again")
        return found  # type: ignore[no-any-return]

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the content of the samples."""
        return " ".join(file["sha256"] for file in (*self._split["tables"].values(), *self._split["shards"]))

    @cached_property
    def names(self) -> Sequence[str]:
        """The samples' names."""
        return _Names(self._records["name"], self._tables["names"])

    @cached_property
    def labels(self) -> Sequence[Any] | None:
        """The samples' labels; None of images with masks, or without labels."""
        if "flags" in self._tables:
            return _Flags(np.load(self._tables["flags"], mmap_mode="r"))
        labelled = any(shard["classes"] for shard in self._split["shards"])
        return _Labels(self._records["label"]) if labelled else None

    def __len__(self) -> int:
        return self._split["samples"]

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        record = self._records[index]
        shard = self._split["shards"][int(record["shard"])]
        length, mask_at, mask_length = int(record["image"]), int(record["mask_at"]), int(record["mask"])
        whole = mask_at + mask_length if mask_length else length
        content = self._source.part(shard, int(record["offset"]), whole)
        image, mask = content[:length], content[mask_at : mask_at + mask_length] if mask_length else b""
        place = f"{self._source.place(shard)}, sample {index} ({self.names[index]})"
        if zlib.crc32(mask, zlib.crc32(image)) != record["crc"]:
            raise UnreadableImage(place, "is damaged: its checksum differs", "copy the shard again")
        sample: dict[str, Any] = {"image": read_image(place, image), "name": self.names[index]}
        if mask:
            sample["mask"] = read_index_mask(place, content=mask)
        if self.labels is not None and self.labels[index] is not None:
            sample["label"] = self.labels[index]
        return sample


class _Column(Sequence[Any]):
    """A column of a table as Python values, each made when it is read."""

    def __init__(self, column: np.ndarray) -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self.value(index)

    def value(self, index: int) -> Any:
        raise NotImplementedError


class _Labels(_Column):
    def value(self, index: int) -> int | None:
        label = int(self.column[index])
        return None if label < 0 else label


class _Flags(_Column):
    def value(self, index: int) -> tuple[int, ...]:
        return tuple(map(int, self.column[index]))


class _Names(_Column):
    def __init__(self, column: np.ndarray, path: Path) -> None:
        super().__init__(column)
        self._texts = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)

    def value(self, index: int) -> str:
        index = range(len(self))[index]
        end = int(self.column[index + 1]) if index + 1 < len(self) else len(self._texts)
        return self._texts[int(self.column[index]) : end].tobytes().decode("utf-8", "surrogateescape")


def open_source(index: str, cache: bool) -> Source:
    """The source that a path or an address names."""
    if index.startswith(("http://", "https://")):
        return Server(index if index.endswith(".json") else f"{index.rstrip('/')}/{INDEX}", cache)
    path = Path(index).expanduser().absolute()
    return Folder(path / INDEX if path.is_dir() else path)
