"""``predict``: labels or masks of new images, by a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError, Problem

Checkpoint = Literal["best", "last"]
Device = Literal["auto", "cpu", "cuda", "mps"]


def predict(
    run: Path,
    inputs: Sequence[str],
    *,
    out: Path,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
    flips: str = "",
    scales: str = "1",
    quiet: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Predict every input that can be read; see ``registry.engine.predict`` for what is returned and raised.

    Args:
        run: the run folder.
        inputs: folders, files, patterns, or one csv.
        out: the folder, or a csv for labels.
        checkpoint, device: see ``registry.engine.train.saved_run.open_run``.
        flips: letters of ``h`` and ``v``, with or without commas.
        scales: factors, with commas.
        quiet: tell on the error stream, so that the output is the caller's.
        **settings: the others of ``registry.engine.predict.Settings``.
    """
    told = _scales(scales)
    letters = [letter.strip() for letter in flips.replace(",", "").strip().lower()]
    problems = [] if isinstance(told, list) else [told]
    if set(letters) - {"h", "v"}:
        problems.append(Problem("--flips", f"is {flips!r}", "h (left and right), v (top and bottom), or h,v for both"))
    if problems:
        raise InputError(problems)
    # Only now does anything heavy get imported.
    from rich.console import Console

    from ..engine.predict import Settings
    from ..engine.predict import predict as predicted
    from ..engine.train.saved_run import open_run

    saved = open_run(run, checkpoint=checkpoint, device=device)
    chosen = Settings(inputs=inputs, out=out, flips=list(dict.fromkeys(letters)), scales=told, **settings)  # type: ignore[arg-type]
    return predicted(saved, chosen, Console(stderr=quiet))


def _scales(text: str) -> list[float] | Problem:
    try:
        scales = [float(part) for part in text.split(",")]
    except ValueError:
        scales = []
    if not scales or not all(0.1 <= scale <= 8 for scale in scales):
        return Problem("--scales", f"is {text!r}", "factors of 0.1 to 8 with commas, such as 0.75,1,1.25")
    return scales
