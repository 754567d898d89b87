"""Files -> tiles -> probabilities -> labels or masks in files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from rich.console import Console as Terminal

from ...errors import InputError
from ...files import atomic_write
from ..console import Console, Progress
from ..train.saved_run import SavedRun
from .inputs import InputImage, Inputs, find
from .labels import Labels
from .masks import Masks, Tiling
from .threads import Reader, keeping_geometry, read_ahead
from .tiles import Tile, batches
from .views import Views

#: Pixels in a batch on a CPU, where more cost memory and gain no speed.
_CPU_PIXELS: Final = 1_000_000
#: Failures that are shown; the file lists all of them.
_SHOWN: Final = 10


class Results(Protocol):
    """Where predictions go: a table of labels, or a folder of masks."""

    #: What is reported to the user.
    path: Path
    #: The list of files that could not be read.
    failures: Path

    def tiles(self, index: int, sample: dict[str, Any]) -> Iterable[Tile]:
        """The tiles of an image."""

    def add_unreadable(self, index: int) -> None:
        """The image cannot be read."""

    def close(self, *, abandon: bool = False) -> None:
        """Finish what is being written; ``abandon`` drops what is incomplete."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to predict.

    Attributes:
        inputs, images, recursive: see ``inputs.find``.
        out: the folder, or a csv for labels.
        batch_size: images, or tiles, that the model gets at once; that of the run's evaluation when None.
        tile: side of a tile in pixels; None for the size that the run has seen.
        overlap: least share of a tile that the next one covers too, 0..0.9.
        flips, scales: see ``Views``.
        mask_format, scores, overlays: see ``Masks`` and ``Labels``.
    """

    inputs: Sequence[str]
    out: Path
    images: Path | None = None
    recursive: bool = False
    batch_size: int | None = None
    tile: int | None = None
    overlap: float = 0.25
    flips: Sequence[str] = ()
    scales: Sequence[float] = (1.0,)
    mask_format: Literal["colors", "index"] = "colors"
    scores: bool = False
    overlays: bool = False


def predict(saved: SavedRun, settings: Settings, terminal: Terminal) -> dict[str, Any]:
    """Predict every input that can be read, and list those that cannot.

    Args:
        saved: the run.
        settings: what and how.
        terminal: where progress is shown.

    Returns:
        ``kind`` (labels or masks), ``images``, ``predicted``, ``failed`` (``file`` and ``reason`` of each), ``out``,
        ``seconds`` and ``images_per_second``, besides ``run`` and ``epoch``.

    Raises:
        InputError: an input is not there, or results would overwrite something; nothing was written.
        Hw1Error: the model fails.
    """
    console = Console(terminal)
    suffix = saved.facts.get("image_suffix", "")
    found = find(settings.inputs, images=settings.images, recursive=settings.recursive, suffix=suffix, out=settings.out)
    views = Views(saved, settings.flips, settings.scales)
    dense = _gives_masks(saved)
    transform, left_out = keeping_geometry(saved.transform) if dense else (saved.transform, [])
    for text in [*found.notes, *_notes(settings, dense, left_out)]:
        console.note(text)
    results: Results
    if dense:
        tiling = Tiling.of(saved.facts.get("image_sizes", {}), settings.tile, settings.overlap)
        found.images = list(dict.fromkeys(found.images))  # a csv may name an image twice
        results = Masks(
            found,
            settings.out,
            saved.facts["class_colors"],
            suffix,
            tiling,
            mask_format=settings.mask_format,
            scores=settings.scores,
            overlays=settings.overlays,
        )
    else:
        results = Labels(found, settings.out, saved.facts["class_names"], scores=settings.scores)
    summary = {"run": str(saved.folder.path), "epoch": saved.epoch, "kind": "masks" if dense else "labels"}
    return {**summary, **_Prediction(saved, settings, found, results, dense).run(views, transform, console)}


def _gives_masks(saved: SavedRun) -> bool:
    """Whether the model gives a class for every pixel, found by a forward pass.

    Raises:
        InputError: it gives neither labels nor masks of the run's classes.
    """
    sizes = saved.facts.get("image_sizes", {})
    height, width = sizes.get("val") or sizes.get("train") or (224, 224)
    shape = tuple(Views(saved)([np.zeros((height, width, saved.facts.get("in_channels", 3)), np.uint8)]).shape)
    classes = saved.facts.get("num_classes")
    if classes is None or shape[1] != classes:
        message = f"gives {shape[1:]} for an image, expected a probability of each of the run's {classes or 'classes'}"
        raise InputError.of(str(saved.folder.path), message, "predict needs a run with classes")
    if len(shape) == 4 and classes > 256:
        raise InputError.of(str(saved.folder.path), f"has {classes} classes, and a mask holds 256 at most")
    return len(shape) == 4


def _notes(settings: Settings, dense: bool, left_out: Sequence[str]) -> list[str]:
    notes = []
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        notes.append(f"skipped from augment.eval, since a mask keeps its image's geometry: {names}")
    if not dense and (settings.overlays or settings.tile is not None or settings.mask_format != "colors"):
        notes.append("--overlay, --tile and --mask-format have no effect: this run predicts labels")
    return notes


def speed_text(speed: float) -> str:
    """Images a second in words; seconds an image where it takes longer than one."""
    return f"{speed:.1f} images/s" if speed >= 1 else f"{1 / max(speed, 1e-6):.1f} s an image"


class _Prediction:
    """One prediction of all images."""

    def __init__(self, saved: SavedRun, settings: Settings, found: Inputs, results: Results, dense: bool) -> None:
        self.saved, self.settings, self.images = saved, settings, found.images
        self.results, self.dense = results, dense
        self.failed: list[tuple[InputImage, str]] = []

    def run(self, views: Views, transform: Any | None, console: Console) -> dict[str, Any]:
        loop = self.saved.plan.loop
        size = self.settings.batch_size or loop.eval_batch_size or loop.batch_size
        limited = self.settings.batch_size is None and self.saved.runtime.device.type == "cpu"
        processors = os.cpu_count() or 1
        reader = Reader(self.images, transform)
        reading = read_ahead(reader, threads=max(2, min(8, processors)), ahead=2 * size + 2)
        finished = False
        try:
            with console.progress(len(self.images), "images") as bar:
                for batch in batches(self._tiles(reading, bar), size, _CPU_PIXELS if limited else None):
                    probabilities = views([tile.pixels for tile in batch])
                    if not self.dense:
                        probabilities = probabilities.cpu()
                    for tile, predicted in zip(batch, probabilities, strict=True):
                        tile.take(tile.position, predicted)
                        bar.advance(tile.share, status=speed_text(bar.speed))
                    del batch, probabilities
                self.results.close()
            self._list_failures()
            finished = True
        finally:
            reading.close()  # type: ignore[attr-defined]
            if not finished:
                self.results.close(abandon=True)
        return self._conclude(bar, console)

    def _tiles(self, reading: Iterator[tuple[int, dict[str, Any]]], bar: Progress) -> Iterator[Tile]:
        for index, sample in reading:
            error = sample.get("error")
            if error is None:
                yield from self.results.tiles(index, sample)
                continue
            problem = error.problems[0] if isinstance(error, InputError) else error
            self.failed.append((self.images[index], problem.message))
            self.results.add_unreadable(index)
            bar.advance(1)

    def _list_failures(self) -> None:
        self.results.failures.unlink(missing_ok=True)  # of an earlier prediction
        if not self.failed:
            return
        with atomic_write(self.results.failures) as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["file", "reason"])
            rows.writerows((image.path, reason) for image, reason in self.failed)

    def _conclude(self, bar: Progress, console: Console) -> dict[str, Any]:
        predicted = len(self.images) - len(self.failed)
        kind = "mask" if self.dense else "label"
        text = f"{predicted} {kind}{'s' * (predicted != 1)} in {bar.seconds:.1f} s, {speed_text(bar.speed)}"
        console.say(f"{text}: {self.results.path}")
        if self.failed:
            console.say(f"{len(self.failed)} of {len(self.images)} could not be read:", "red")
            for image, reason in self.failed[:_SHOWN]:
                console.say(f"  {image.path}: {reason}")
            console.say(f"all of them: {self.results.failures}")
        return {
            "images": len(self.images),
            "predicted": predicted,
            "failed": [{"file": str(image.path), "reason": reason} for image, reason in self.failed],
            "out": str(self.results.path),
            "seconds": round(bar.seconds, 3),
            "images_per_second": round(bar.speed, 3),
        }
