"""Images read ahead of the model by threads, in order, with a bound on what waits in memory."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from ..build import compose
from ..data.images import UnreadableImage, image_size, read_image
from ..data.loader import Augmented
from .inputs import Picture

#: Pixels that may wait to be predicted, or to be written: 150 MB as uint8 RGB.
WAITING_PIXELS: Final = 50_000_000


class Files:
    """Pictures as samples: ``image`` uint8 (H, W, 3), ``name``, and ``own``, the image as it is in the file.

    Args:
        pictures: what to read.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = pictures
        self.names = [picture.name for picture in pictures]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = read_image(self.pictures[index].path)
        return {"image": image, "own": image, "name": self.names[index]}


class Reader:
    """Reads and prepares the picture of an index, in any thread.

    Args:
        pictures: what to read.
        transform: the evaluation augmentations, an albumentations ``Compose``; None leaves images as they are.
    """

    def __init__(self, pictures: Sequence[Picture], transform: Any | None) -> None:
        self.samples, self.transform = Files(pictures), transform
        self._own = threading.local()

    def __call__(self, index: int) -> dict[str, Any]:
        """The sample, or ``{"error": ...}``."""
        # A Compose draws from a generator inside itself, so that two threads must not share one.
        if not hasattr(self._own, "data"):
            self._own.data = Augmented(self.samples, copy.deepcopy(self.transform), seed=None)
        sample: dict[str, Any] = self._own.data[(0, index)]
        return sample

    def pixels(self, index: int) -> int:
        """Pixels of the file by its header; 0 where it cannot be read."""
        try:
            width, height = image_size(self.samples.pictures[index].path)
        except UnreadableImage:
            return 0
        return width * height


def read_ahead(reader: Reader, *, threads: int, ahead: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(index, sample)`` of every picture in order.

    Args:
        reader: what reads one.
        threads: that read.
        ahead: images, at most, that are read before they are asked for; fewer where they are large.
    """
    waiting: deque[tuple[int, int, Future[dict[str, Any]]]] = deque()
    held, upcoming = 0, 0
    pool = ThreadPoolExecutor(threads, "read")
    try:
        while waiting or upcoming < len(reader.samples):
            while upcoming < len(reader.samples) and len(waiting) < ahead:
                pixels = reader.pixels(upcoming)
                if waiting and held + pixels > WAITING_PIXELS:
                    break
                waiting.append((upcoming, pixels, pool.submit(reader, upcoming)))
                held, upcoming = held + pixels, upcoming + 1
            index, pixels, future = waiting.popleft()
            held -= pixels
            yield index, future.result()
            del future  # it holds the sample, and the next wait may be long
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Prepared(NamedTuple):
    """The evaluation augmentations as a prediction applies them.

    Attributes:
        transform: what is left of them; None for nothing.
        left_out: classes of those that are not applied.
    """

    transform: Any | None
    left_out: list[str]


def keeping_geometry(transform: Any | None) -> Prepared:
    """Without what moves, crops or pads: a mask could not be brought back to the image's own pixels.

    What resizes stays, since a resized mask can; so does what changes values alone.
    """
    if transform is None:
        return Prepared(None, [])
    import albumentations as A

    resizing = (A.Resize, A.LongestMaxSize, A.SmallestMaxSize)

    def stays(part: Any) -> bool:
        if isinstance(part, A.BaseCompose):
            return all(stays(inner) for inner in part.transforms)
        return isinstance(part, resizing) or not isinstance(part, A.DualTransform)

    kept: Callable[[bool], list[Any]] = lambda wanted: [t for t in transform.transforms if stays(t) is wanted]  # noqa: E731
    return Prepared(compose(kept(True)) if kept(True) else None, [type(part).__name__ for part in kept(False)])
