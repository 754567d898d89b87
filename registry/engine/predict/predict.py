"""Files -> tiles -> probabilities -> labels or masks in files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from rich.console import Console as Terminal

from ...errors import Hw1Error, InputError
from ...files import atomic_write
from ...signals import Interrupted
from ..console import Console, Progress
from ..runtime import processes
from ..train.saved_run import SavedRun
from .inputs import InputImage, Inputs, Settings, find
from .labels import Labels
from .masks import Masks
from .parts import MOST, Parts
from .predictor import Predictor
from .raster import is_raster, predict_raster
from .threads import Reader, read_ahead
from .tiles import Tile

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
    model = Predictor(
        saved,
        flips=settings.flips,
        scales=settings.scales,
        tile=settings.tile,
        overlap=settings.overlap,
        batch_size=settings.batch_size,
    )
    if is_raster(settings):
        return predict_raster(saved, model, settings, terminal)
    console = Console(terminal)
    found = find(settings, saved.facts.get("image_suffix", ""))
    dense, notes = model.dense, [*saved.notes, *found.notes]
    if model.left_out:
        names = ", ".join(dict.fromkeys(model.left_out))
        notes.append(f"skipped from augment.eval, since a mask keeps its image's geometry: {names}")
    if not dense and (settings.overlays or settings.tile is not None or settings.mask_format != "colors"):
        notes.append("--overlay, --tile and --mask-format have no effect: this run predicts labels")
    for note in notes:
        console.note(note)
    if dense:
        found.images = list(dict.fromkeys(found.images))  # a csv may name an image twice

    def open_results(inputs: Inputs, how: Settings) -> Masks | Labels:
        if dense:
            return Masks(inputs, how, saved.facts, model.tiling)
        return Labels(inputs, how, saved.facts["class_names"], saved.task.threshold)

    opened: list[Masks | Labels] = []
    processes.from_first(lambda: opened.append(open_results(found, settings)))
    with console.progress(-(-len(found.images) // processes.process_count()), "images") as bar:
        if processes.process_count() == 1 and len(found.images) <= MOST:
            failed = _predicted(saved, model, found, opened[0], bar)
        else:
            parts = Parts(found, settings, [str(saved.folder.path.resolve()), saved.epoch])
            parts.predict(lambda own, how: _predicted(saved, model, own, open_results(own, how), bar), not dense)
            processes.gathered(None)  # all parts are done
            failed = list(parts.failed())
            processes.from_first(lambda: parts.merge(opened[0]))
    for results in opened:
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
        "out": str(settings.out if not opened else opened[0].path),
        "seconds": round(bar.seconds, 3),
        "images_per_second": round(bar.speed, 3),
    }
    kind = f"{'mask' if dense else 'label'}{'s' * (summary['predicted'] != 1)}"
    console.say(f"{summary['predicted']} {kind} in {bar.seconds:.1f} s, {_speed_text(bar.speed)}: {summary['out']}")
    if failed:
        console.say(f"{len(failed)} of {len(found.images)} could not be read:", "red")
        for image, reason in failed[:_SHOWN]:
            console.say(f"  {image.path}: {reason}")
        console.say(f"all of them: {opened[0].failures if opened else settings.out}")
    return summary


def _predicted(
    saved: SavedRun, model: Predictor, found: Inputs, results: Masks | Labels, bar: Progress
) -> list[tuple[InputImage, str]]:
    """Predict inputs into results; those that cannot be read, with the reasons."""
    failed: list[tuple[InputImage, str]] = []
    threads = max(2, min(8, os.cpu_count() or 1))
    reader = Reader(found.images, model.transform, saved.facts)
    reading = read_ahead(reader, threads=threads, ahead=2 * model.batch_size + 2)
    with closing(reading), _stopped(results), results:

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

        for tile in model.predict(tiles()):
            bar.advance(tile.share, status=_speed_text(bar.speed))
    return failed


@contextmanager
def _stopped(results: Masks | Labels) -> Iterator[None]:
    """An interrupt as an error that says what is kept.

    Raises:
        Hw1Error: for an ``Interrupted``.
    """
    try:
        yield
    except Interrupted as interrupted:
        raise Hw1Error(f"stopped by {interrupted}; {results.kept()}") from None


def _speed_text(speed: float) -> str:
    """Images a second in words; seconds an image where it takes longer than one."""
    return f"{speed:.1f} images/s" if speed >= 1 else f"{1 / max(speed, 1e-6):.1f} s an image"
