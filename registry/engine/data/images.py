"""Image files decoded safely: rotation, palettes, bit depth, transparency, truncation, decompression bombs; rasters."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from ...errors import InputError, Problem

Pixels: TypeAlias = NDArray[np.uint8]

#: An image of more pixels is refused before it is decoded: a PNG of 47 KiB can hold gigabytes.
MAX_PIXELS: Final = 200_000_000
# Pillow warns from 89 and refuses from 179 million; _require_size applies this one limit, or a lower one, instead.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
#: ``rgb``: an image as a person sees it; else the bands of a raster as they are stored, all or by their numbers from 1.
Bands: TypeAlias = Literal["rgb", "all"] | Sequence[int]


class _Reading(NamedTuple):
    """How images are read."""

    pixels: int
    bands: Bands


_AS_SEEN: Final = _Reading(MAX_PIXELS, "rgb")
_reading: ContextVar[_Reading] = ContextVar("reading", default=_AS_SEEN)

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
def reading(pixels: int = MAX_PIXELS, bands: Bands = "rgb") -> Iterator[None]:
    """How images are read inside, in this thread: ``data.max_megapixels`` and ``data.bands`` of a recipe."""
    token = _reading.set(_Reading(min(pixels, MAX_PIXELS), bands))
    try:
        yield
    finally:
        _reading.reset(token)


def read_image(path: str | os.PathLike[str], content: bytes | None = None) -> Pixels:
    """An image as a person sees it: uint8 RGB, (H, W, 3), contiguous and writable.

    EXIF rotation is applied. Transparency is laid over white, as a browser or a labelling tool shows it. Of 16 bits
    the upper 8 are kept, whatever the file's own range, so that one value is one brightness in the whole set. With
    ``data.bands`` it is a raster as it is stored: uint8 or uint16, (H, W, bands).

    Args:
        path: the file; with ``content``, what messages call it.
        content: the file's bytes, where they are known already.

    Raises:
        UnreadableImage: missing, not an image, truncated, over ``MAX_PIXELS``, or of 32 bits without a known range;
            with ``data.bands`` also where a band is missing or has other than 8 or 16 bits.
    """
    bands = _reading.get().bands
    if bands != "rgb":
        with open_raster(path, content) as raster:
            return raster_pixels(path, raster, bands)
    image, _ = decode(path, content=content)
    return as_rgb(image, path)


@contextmanager
def open_raster(path: str | os.PathLike[str], content: bytes | None = None) -> Iterator[Any]:
    """A raster as rasterio opens it; what fails inside, or lies in it, is an ``UnreadableImage``.

    Raises:
        UnreadableImage: missing, not a raster, or damaged.
        InputError: rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise InputError.of("data.bands", "needs rasterio", "pip install 'hw1cli[geo]'") from error
    _require_regular(path, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            if content is None:
                with rasterio.open(path) as raster:
                    yield raster
            else:
                with rasterio.MemoryFile(content) as file, file.open() as raster:
                    yield raster
    except rasterio.errors.RasterioError as error:
        raise UnreadableImage(path, f"cannot be read as a raster: {error}") from error


def raster_pixels(path: str | os.PathLike[str], raster: Any, bands: Bands, window: Any = None) -> NDArray[Any]:
    """Bands of an open raster, or of a window of it: uint8 or uint16, (H, W, bands).

    Raises:
        UnreadableImage: over the limit, a band is missing, or has other than 8 or 16 bits.
    """
    if window is None:
        _require_size(path, raster.width, raster.height)
    numbers = [*range(1, raster.count + 1)] if bands in ("all", "rgb") else [int(number) for number in bands]
    if max(numbers) > raster.count:
        raise UnreadableImage(path, f"has {raster.count} bands, and data.bands names band {max(numbers)}")
    types = {raster.dtypes[number - 1] for number in numbers}
    if len(types) > 1 or types - {"uint8", "uint16"}:
        message = f"has bands of type {', '.join(sorted(types))}, expected uint8 or uint16"
        raise UnreadableImage(path, message, "convert it, such as with gdal_translate -ot UInt16 -scale")
    return np.ascontiguousarray(raster.read(numbers, window=window).transpose(1, 2, 0))


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
        InputError: names are not UTF-8, or a folder may not be read.
    """
    paths = list[Path]()

    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError):
            hint = "let this user read it, or move it elsewhere"
            raise InputError.of(str(error.filename), f"cannot be read: {error.strerror}", hint) from error
        if not deep:
            raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        paths += [Path(parent, name) for name in names]
        if not deep:
            folders.clear()
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
    if _reading.get().bands != "rgb":
        with open_raster(path) as raster:
            _require_size(path, raster.width, raster.height)
            return raster.width, raster.height
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
    _require_size(path, *image.size)
    return image


def _require_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    most = _reading.get().pixels
    if width * height > most:
        hint = "make it smaller, or raise data.max_megapixels" if most < MAX_PIXELS else None
        raise UnreadableImage(path, f"has {width} x {height} pixels, more than {most:,}", hint)


def _require_regular(path: str | os.PathLike[str], content: bytes | None) -> None:
    try:
        if content is None and not stat.S_ISREG(Path(path).stat().st_mode):  # reading a FIFO would wait for ever
            raise UnreadableImage(path, "is not a regular file")
    except OSError as error:
        raise _unreadable(path, error) from error


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
    _require_regular(path, content)
    try:
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
        raster = os.fspath(path).lower().endswith((".tif", ".tiff"))
        hint = "data.bands: all reads rasters of any number of bands, of 8 or 16 bits" if raster else None
        return UnreadableImage(path, "is not an image of any known format", hint)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return UnreadableImage(path, f"has more than {MAX_PIXELS:,} pixels")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UnreadableImage(path, f"cannot be read: {reason or type(error).__name__}")
