"""Files embedded in a page: each once, and no more of them than the page has room for."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_TYPES: Final = {".png": "image/png", ".jpg": "image/jpeg"}
#: Bytes of pictures and coordinates in a page: with the plotting library's 4.9 MB it stays below 10 MB.
ROOM: Final = 4_500_000


@dataclass
class Room:
    """What a page may still hold, and the pictures in it.

    Attributes:
        left: bytes.
        pictures: key -> data URI; pictures of the same content have one key.
        left_out: what did not fit, in words.
    """

    left: int = ROOM
    pictures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def take(self, size: int, what: str) -> bool:
        """Whether this many bytes fit; if so they are taken."""
        if size > self.left:
            self.left_out.append(what)
            return False
        self.left -= size
        return True

    def embed(self, path: Path, what: str) -> str | None:
        """The key of a PNG or JPEG file; None where it is missing or does not fit."""
        if not path.is_file():
            return None
        content = path.read_bytes()
        key = hashlib.blake2b(content, digest_size=8).hexdigest()
        if key not in self.pictures:
            uri = f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(content).decode()}"
            if not self.take(len(uri), what):
                return None
            self.pictures[key] = uri
        return key
