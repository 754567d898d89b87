"""Images read ahead of the model and results written behind it, by threads, with a bound on what waits in memory."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from ..data.augmented import Augmented
from ..data.images import UnreadableImage, image_size, read_image, reading
from ..data.samples import require_bands
from .inputs import InputImage

T = TypeVar("T")
#: Pixels that may wait to be predicted, or to be written: 150 MB as uint8 RGB.
WAITING_PIXELS: Final = 50_000_000


class Reader:
    """Images as samples: ``image`` uint8 (H, W, 3), ``name``, and ``own``, the image as it is in the file.

    Args:
        images: what to read.
        transform: the evaluation augmentations, an albumentations ``Compose``; None leaves images as they are.
        facts: of the run: the bands that it reads.
    """

    def __init__(self, images: Sequence[InputImage], transform: Any | None, facts: Mapping[str, Any]) -> None:
        self.images, self.transform, self.facts = images, transform, facts
        self.names = [image.name for image in images]
        self._own = threading.local()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, name, sample = self.images[index]
        image = self._with_bands(read_image, path) if sample is None else sample[0][sample[1]]["image"]
        require_bands(path if sample is None else name, image, self.facts)
        return {"image": image, "own": image, "name": self.names[index]}

    def __call__(self, index: int) -> dict[str, Any]:
        """The augmented sample, or ``{"error": ...}``; in any thread."""
        # A Compose draws from a generator inside itself, so that two threads must not share one.
        if not hasattr(self._own, "data"):
            self._own.data = Augmented(self, copy.deepcopy(self.transform), seed=None)
        sample: dict[str, Any] = self._own.data[(0, index)]
        return sample

    def _with_bands(self, read: Callable[[Path], T], path: Path) -> T:
        with reading(bands=self.facts.get("bands", "rgb")):
            return read(path)

    def pixels(self, index: int) -> int:
        """Pixels of the file by its header; 0 where it cannot be read, or the image is not a file of its own."""
        if self.images[index].sample is not None:
            return 0
        try:
            width, height = self._with_bands(image_size, self.images[index].path)
        except UnreadableImage:
            return 0
        return width * height


def read_ahead(reader: Reader, *, threads: int, ahead: int) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """``(index, sample)`` of every image in order.

    Args:
        reader: reads one image.
        threads: how many.
        ahead: how many images, at most, are read before they are requested; fewer where they are large.
    """
    waiting: deque[tuple[int, int, Future[dict[str, Any]]]] = deque()
    held, upcoming = 0, 0
    pool = ThreadPoolExecutor(threads, "read")
    try:
        while waiting or upcoming < len(reader):
            while upcoming < len(reader) and len(waiting) < ahead:
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


class Writer:
    """Threads that write, with a bound on the pixels that wait for them.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "write")
        self._waiting: deque[tuple[int, Future[None]]] = deque()

    def submit(self, pixels: int, write: Callable[[], None]) -> None:
        """Call ``write`` in a thread; blocks while too much is waiting.

        Raises:
            Exception: what an earlier ``write`` raised.
        """
        while self._waiting and (
            self._waiting[0][1].done() or pixels + sum(held for held, _ in self._waiting) > WAITING_PIXELS
        ):
            self._waiting.popleft()[1].result()
        self._waiting.append((pixels, self._pool.submit(write)))

    def close(self, *, abandon: bool = False) -> None:
        """Wait until everything is written; ``abandon`` drops what has not been begun.

        Raises:
            Exception: what a ``write`` raised, unless ``abandon``.
        """
        self._pool.shutdown(wait=True, cancel_futures=abandon)
        for _, future in self._waiting if not abandon else ():
            future.result()
