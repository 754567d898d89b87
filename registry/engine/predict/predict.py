"""Files -> tiles -> probabilities -> labels or masks in files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import numpy as np
from rich.console import Console as Terminal

from ...errors import Hw1Error, InputError
from ...files import atomic_write
from ..build import compose
from ..console import Console
from ..train.saved_run import SavedRun
from .inputs import InputImage, Settings, find
from .labels import Labels
from .masks import Masks
from .threads import Reader, read_ahead
from .tiles import Tile, batches
from .views import Views

#: Pixels in a batch on a CPU, where more cost memory and gain no speed.
_CPU_PIXELS: Final = 1_000_000
#: Failures that are shown; the file lists all of them.
_SHOWN: Final = 10


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
        InputError: an input does not exist, or results would overwrite something; nothing was written.
        Hw1Error: the model fails.
    """
    console = Console(terminal)
    found = find(settings, saved.facts.get("image_suffix", ""))
    views = Views(saved, settings.flips, settings.scales)
    dense = _gives_masks(saved)
    transform, left_out = _keeping_geometry(saved.transform) if dense else (saved.transform, [])
    notes = [*saved.notes, *found.notes]
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        notes.append(f"skipped from augment.eval, since a mask keeps its image's geometry: {names}")
    if not dense and (settings.overlays or settings.tile is not None or settings.mask_format != "colors"):
        notes.append("--overlay, --tile and --mask-format have no effect: this run predicts labels")
    for note in notes:
        console.note(note)
    results: Masks | Labels
    if dense:
        found.images = list(dict.fromkeys(found.images))  # a csv may name an image twice
        results = Masks(found, settings, saved.facts)
    else:
        results = Labels(found, settings, saved.facts["class_names"])
    failed: list[tuple[InputImage, str]] = []
    loop, cpu = saved.plan.loop, saved.runtime.device.type == "cpu"
    size = settings.batch_size or loop.eval_batch_size or loop.batch_size
    most_pixels = _CPU_PIXELS if cpu and settings.batch_size is None else None
    threads = max(2, min(8, os.cpu_count() or 1))
    reading = read_ahead(Reader(found.images, transform), threads=threads, ahead=2 * size + 2)
    with closing(reading), console.progress(len(found.images), "images") as bar, _stopped(results), results:

        def tiles() -> Iterator[Tile]:
            for index, sample in reading:
                error = sample.get("error")
                if error is None:
                    yield from results.tiles(index, sample)
                    continue
                problem = error.problems[0] if isinstance(error, InputError) else error
                failed.append((found.images[index], problem.message))
                results.add_unreadable(index)
                bar.advance(1)

        for batch in batches(tiles(), size, most_pixels):
            probabilities = views([tile.pixels for tile in batch])
            if not dense:
                probabilities = probabilities.cpu()
            for tile, predicted in zip(batch, probabilities, strict=True):
                tile.take(tile.position, predicted)
                bar.advance(tile.share, status=_speed_text(bar.speed))
            del batch, probabilities
    results.failures.unlink(missing_ok=True)  # of an earlier prediction
    if failed:
        with atomic_write(results.failures) as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows([("file", "reason"), *((image.path, reason) for image, reason in failed)])
    summary = {
        "run": str(saved.folder.path),
        "epoch": saved.epoch,
        "kind": "masks" if dense else "labels",
        "images": len(found.images),
        "predicted": len(found.images) - len(failed),
        "failed": [{"file": str(image.path), "reason": reason} for image, reason in failed],
        "out": str(results.path),
        "seconds": round(bar.seconds, 3),
        "images_per_second": round(bar.speed, 3),
    }
    kind = f"{'mask' if dense else 'label'}{'s' * (summary['predicted'] != 1)}"
    console.say(f"{summary['predicted']} {kind} in {bar.seconds:.1f} s, {_speed_text(bar.speed)}: {results.path}")
    if failed:
        console.say(f"{len(failed)} of {len(found.images)} could not be read:", "red")
        for image, reason in failed[:_SHOWN]:
            console.say(f"  {image.path}: {reason}")
        console.say(f"all of them: {results.failures}")
    return summary


@contextmanager
def _stopped(results: Masks | Labels) -> Iterator[None]:
    """An interrupt as an error that says what is kept.

    Raises:
        Hw1Error: for a ``KeyboardInterrupt``.
    """
    try:
        yield
    except KeyboardInterrupt as interrupted:
        raise Hw1Error(f"stopped by {interrupted}; {results.kept()}") from None


def _gives_masks(saved: SavedRun) -> bool:
    """Whether the model gives a class for every pixel, found by a forward pass.

    Raises:
        InputError: it gives neither labels nor masks of the run's classes.
    """
    if not saved.task.predicts_classes:
        message = f"is a run of {saved.plan.trainer.name}, which does not predict classes"
        raise InputError.of(str(saved.folder.path), message, "predict needs a run with classes")
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


def _keeping_geometry(transform: Any | None) -> tuple[Any | None, list[str]]:
    """Without transforms that move, crop or pad, after which a mask does not fit its image; and these ones' names.

    Resizing is kept, since the mask is resized back, and so are transforms of values alone. None where none is left.
    """
    if transform is None:
        return None, []
    import albumentations as A

    resizing = (A.Resize, A.LongestMaxSize, A.SmallestMaxSize)

    def stays(part: Any) -> bool:
        if isinstance(part, A.BaseCompose):
            return all(stays(inner) for inner in part.transforms)
        return isinstance(part, resizing) or not isinstance(part, A.DualTransform)

    kept = [part for part in transform.transforms if stays(part)]
    left_out = [type(part).__name__ for part in transform.transforms if not stays(part)]
    return compose(kept) if kept else None, left_out


def _speed_text(speed: float) -> str:
    """Images a second in words; seconds an image where it takes longer than one."""
    return f"{speed:.1f} images/s" if speed >= 1 else f"{1 / max(speed, 1e-6):.1f} s an image"
