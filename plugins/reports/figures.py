"""How a figure leaves a report: as a PNG in the run folder and as an image in TensorBoard."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from registry.engine import Run

#: Dots per inch of every figure.
DPI = 110


def publish(figure: Figure, run: Run, name: str, epoch: int) -> None:
    """Write ``figures/<name>.png``, and the same picture to TensorBoard at the epoch."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    path = run.folder.figures / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    run.monitors.picture(f"figures/{name}", pixels[..., :3], epoch)
