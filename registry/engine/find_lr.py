"""A learning rate for a recipe: the loss while the rate rises from step to step (Smith, 2017)."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console as Terminal

from ..errors import InputError
from ..recipe.plan import Plan
from .bench import endless, prepared
from .console import Console
from .data.drawing import save, shown

#: The first and the last rate of the sweep.
_RANGE: Final = (1e-7, 10.0)
#: Share of the earlier losses in the smoothed one.
_SMOOTHING: Final = 0.9
#: The sweep ends where the smoothed loss is so many times its minimum.
_DIVERGED: Final = 4.0


def find_lr(plan: Plan, terminal: Terminal, figure: Path, steps: int = 100) -> dict[str, Any]:
    """Train a copy of the network with a rate that rises exponentially; nothing but the figure is kept.

    Args:
        plan: as for ``execute``; its rate and schedule are not used, factors of parts of the network are.
        terminal: where progress is shown.
        figure: the PNG to write.
        steps: of the sweep, each on one batch.

    Returns:
        ``suggested``, the rate at which the smoothed loss falls fastest; ``rates`` and ``losses`` of the steps,
        ``smoothed``, and ``figure``.

    Raises:
        InputError: the trainer learns nothing, or the loss does not fall at any rate.
    """
    console = Console(terminal)
    rates, losses = np.geomspace(*_RANGE, steps), list[float]()
    with prepared(plan, console) as (run, learning), console.working("raising the learning rate"):
        if learning.optimizer is None or run.task.encodes_once:
            raise InputError.of("trainer", f"{plan.trainer.name} has no training steps over images")
        learning.task.train()
        learning.begin_epoch(1)
        for step, batch in enumerate(islice(endless(learning), steps), 1):
            for group in learning.optimizer.param_groups:
                group["lr"] = rates[step - 1] * group.get("lr_scale", 1.0)
            loss = learning.task(run.preprocess(batch))["loss"]
            losses.append(float(loss.detach()))
            smooth = smoothed(losses)
            if not math.isfinite(losses[-1]) or smooth[-1] > _DIVERGED * max(smooth.min(), 1e-12):
                break
            run.runtime.fabric.backward(loss)
            if plan.loop.clip_norm is not None:
                run.runtime.fabric.clip_gradients(learning.task, learning.optimizer, max_norm=plan.loop.clip_norm)
            learning.optimizer.step()
            learning.optimizer.zero_grad(set_to_none=True)
            run.task.after_step(step, steps)
    rates = rates[: len(losses)]
    found = suggested(rates, np.asarray(losses))
    figure.parent.mkdir(parents=True, exist_ok=True)
    save(_drawn(plan.recipe.name, rates, np.asarray(losses), found), figure)
    smooth = smoothed(losses)
    return {"suggested": found, "rates": list(rates), "losses": losses, "smoothed": list(smooth), "figure": str(figure)}


def smoothed(losses: Any) -> np.ndarray:
    """Exponential moving average of (N,) losses, corrected for its start; those that are not finite are left out."""
    average, total, found = 0.0, 0.0, []
    for loss in losses:
        if math.isfinite(loss):
            average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
            total = _SMOOTHING * total + (1 - _SMOOTHING)
        found.append(average / max(total, 1e-12))
    return np.asarray(found)


def suggested(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate at which the smoothed loss falls fastest per decade, before its minimum; two significant digits.

    Raises:
        InputError: it does not fall.
    """
    curve = smoothed(losses)
    end = int(curve.argmin()) + 1
    slopes = np.gradient(curve[:end], np.log10(rates[:end])) if end > 2 else np.zeros(1)
    if slopes.min() >= 0 or curve[0] - curve.min() < 0.02 * abs(curve[0]):
        message = f"the loss does not fall at any rate from {rates[0]:.0e} to {rates[-1]:.0e}"
        raise InputError.of("optimizer.lr", message, "check the data's labels, or raise --steps")
    return float(f"{rates[int(slopes.argmin())]:.1e}")


def _drawn(name: str, rates: np.ndarray, losses: np.ndarray, found: float) -> Figure:
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes, curve = figure.subplots(), smoothed(losses)
    axes.plot(rates, losses, ".", color="0.65", markersize=4, label="loss of a batch")
    axes.plot(rates, curve, "-", color="#1f5fa8", linewidth=2, label="smoothed")
    at = int(np.abs(np.log(rates / found)).argmin())
    axes.plot(rates[at], curve[at], "D", color="#c2410c", markersize=8, label=f"fastest fall: lr {found:.1e}")
    axes.axvline(found, color="#c2410c", linestyle="--", linewidth=1)
    low, high = curve.min(), max(curve[0], np.median(losses))
    axes.set_ylim(low - 0.15 * (high - low), high + 0.6 * (high - low))
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    axes.set_title(shown(f"{name}: loss while the learning rate rises"), loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    axes.grid(alpha=0.25)
    return figure
