"""Image files decoded safely: rotation, palettes, bit depth, transparency, truncation, decompression bombs."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from ...errors import InputError, Problem

Pixels: TypeAlias = NDArray[np.uint8]

#: An image of more pixels is refused before it is decoded: a PNG of 47 KiB can hold gigabytes.
MAX_PIXELS: Final = 200_000_000
# Pillow warns from 89 and refuses from 179 million; _opened applies this one limit, or a lower one, instead.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_most_pixels: ContextVar[int] = ContextVar("most pixels", default=MAX_PIXELS)

#: Endings of files that are taken for images, in lower case.
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"})

_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
# Pillow stretches grey of 2 and 4 bits to 0..255: label 3 would come back as 255 or 51.
_STRETCHED: Final = {"L;2": 85, "L;4": 17}


class UnreadableImage(InputError):
    """An image cannot be used; the single problem's path is the file.

    Args:
        path: the file.
        reason: what is wrong, without a full stop.
        hint: what to do instead, when that is known.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, hint: str | None = None) -> None:
        super().__init__([Problem(os.fspath(path), reason, hint)])

    def __reduce__(self) -> tuple[Any, ...]:
        # A loader's worker sends its exceptions by pickle, which would otherwise call this with the message alone.
        problem = self.problems[0]
        return type(self), (problem.path, problem.message, problem.hint)


@contextmanager
def at_most_pixels(pixels: int) -> Iterator[None]:
    """Refuse larger images inside, in this thread; ``data.max_megapixels`` of a recipe."""
    token = _most_pixels.set(min(pixels, MAX_PIXELS))
    try:
        yield
    finally:
        _most_pixels.reset(token)


def read_image(path: str | os.PathLike[str], content: bytes | None = None) -> Pixels:
    """An image as a person sees it: uint8 RGB, (H, W, 3), contiguous and writable.

    EXIF rotation is applied. Transparency is laid over white, as a browser or a labelling tool shows it. Of 16 bits
    the upper 8 are kept, whatever the file's own range, so that one value is one brightness in the whole set.

    Args:
        path: the file; with ``content``, what messages call it.
        content: the file's bytes, where they are known already.

    Raises:
        UnreadableImage: missing, not an image, truncated, over ``MAX_PIXELS``, or of 32 bits without a known range.
    """
    image, _ = decode(path, content=content)
    return as_rgb(image, path)


def as_rgb(image: Image.Image, path: str | os.PathLike[str]) -> Pixels:
    """See ``read_image``: the same of an image that is decoded and upright."""
    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode.startswith("I") or image.mode == "F":
        return np.repeat((integers(path, image, 65535) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def images_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """The image files in a folder, sorted, without hidden ones; ``deep`` includes its subfolders.

    Raises:
        InputError: names are not UTF-8.
    """
    paths = folder.rglob("*") if deep else folder.iterdir()
    found = sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
    require_utf8(found)
    return found


def require_utf8(paths: Iterable[Path]) -> None:
    """Refuse names that no text file, and no terminal, can hold.

    Raises:
        InputError: with every such path, 20 at most.
    """
    wrong = [path for path in paths if not str(path).isascii() and "\\udc" in ascii(str(path))]
    if wrong:
        hint = "rename it, such as with convmv"
        raise InputError([Problem(ascii(str(path)), "has a name that is not UTF-8", hint) for path in wrong[:20]])


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(width, height) of what ``read_image`` returns, from the header alone.

    Raises:
        UnreadableImage: missing, not an image, or over ``MAX_PIXELS``.
    """
    try:
        with open(path, "rb") as file:
            image = _opened(path, file)
            width, height = image.size
            # Pillow has applied the rotation to a TIFF's size already.
            turned = image.format != "TIFF" and _orientation(image) >= 5
    except UnreadableImage:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    return (height, width) if turned else (width, height)


def _opened(path: str | os.PathLike[str], file: Any) -> Image.Image:
    image = Image.open(file)
    width, height = image.size
    most = _most_pixels.get()
    if width * height > most:
        hint = "make it smaller, or raise data.max_megapixels" if most < MAX_PIXELS else None
        raise UnreadableImage(path, f"has {width} x {height} pixels, more than {most:,}", hint)
    return image


def decode(
    path: str | os.PathLike[str], lossless: bool = False, content: bytes | None = None
) -> tuple[Image.Image, int]:
    """The image, decoded and upright, and the factor by which Pillow has stretched its grey values.

    Args:
        path: the file.
        lossless: refuse lossy compression.
        content: the file's bytes, where they are known already.

    Raises:
        UnreadableImage: see ``read_image``.
    """
    # Another library may have asked for grey fill, which is process-wide.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        if content is None and not stat.S_ISREG(Path(path).stat().st_mode):  # reading a FIFO would wait for ever
            raise UnreadableImage(path, "is not a regular file")
        data = Path(path).read_bytes() if content is None else content
        image = _opened(path, io.BytesIO(data))
        if lossless and _lossy(image, data):
            kind = image.format or "lossy"
            raise UnreadableImage(path, f"is a {kind} mask, and {kind} invents labels along borders", "save it as PNG")
        # An interrupted download into a preallocated file: zeros decode without complaint, as grey.
        if image.format == "JPEG" and data.endswith(bytes(64)) and not data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise UnreadableImage(path, "is truncated: the file ends in zeros")
        raw = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else None
        raw = raw[0] if isinstance(raw, tuple) and raw else raw
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow's decoders raise exceptions of many types
        raise _unreadable(path, error) from error
    return image, _STRETCHED.get(str(raw), 1)


def _orientation(image: Image.Image) -> int:
    # The base class's method: that of a PNG decodes the whole image in search of a late chunk.
    return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))


def _lossy(image: Image.Image, data: bytes) -> bool:
    if image.format == "WEBP":
        return b"VP8L" not in data
    return image.format in ("JPEG", "MPO", "JPEG2000", "AVIF") or image.info.get("compression") in ("jpeg", "webp")


def integers(path: str | os.PathLike[str], image: Image.Image, most: int) -> NDArray[np.int64]:
    """The values of a deep image, which must be whole numbers 0..most."""
    values = np.array(image)
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" or low < 0 or high > most:
        raise UnreadableImage(
            path, f"has values {low:g}..{high:g} in mode {image.mode}, outside the integers 0..{most}"
        )
    return values.astype(np.int64)


def _unreadable(path: str | os.PathLike[str], error: Exception) -> UnreadableImage:
    if isinstance(error, UnidentifiedImageError):
        return UnreadableImage(path, "is not an image of any known format")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return UnreadableImage(path, f"has more than {MAX_PIXELS:,} pixels")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UnreadableImage(path, f"cannot be read: {reason or type(error).__name__}")
