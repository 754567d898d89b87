"""What the plugin for shards offers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry import guessed_by, packed_by

if TYPE_CHECKING:
    from .packed import Shards


def _guess(root: Path) -> Mapping[str, Any] | None:
    """A folder with the index of shards."""
    try:
        index = json.loads((root / "index.json").read_bytes())
        known = str(index["format"]).startswith("hw1cli shards")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {"index": str(root), **({"bands": "all"} if index.get("rasters") else {})} if known else None


def _pack(*arguments: Any) -> dict[str, Any]:
    from .pack import pack

    return pack(*arguments)


@packed_by(_pack)
@guessed_by(_guess)
def shards(*, index: str, cache: bool = True) -> Shards:
    """A data set packed into tar shards by hw1cli data pack: of labels or masks, on this machine or on a server.

    Order, names and labels are those of the data that were packed, and so is every step of the training. A sample that
    is damaged is named with its shard.

    Args:
        index: index.json, or the folder that holds it: a path, or an http(s) address.
        cache: of an address: download each shard once and keep it in the cache's folder, verified; false requests
            each sample when it is read, for data that are larger than the disk.
    """
    from .packed import Shards

    return Shards(index, cache)
