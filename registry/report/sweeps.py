"""A sweep on a page: its trials, what they say of each searched value, and which of its runs are shown in full."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..results.runs import read_if_done
from .gather import duration
from .verdicts import Verdict


def shown_runs(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """The runs of a sweep that its page shows in full: the best and the default recipe with other seeds, as far as
    these are done, else as trials.

    Args:
        found: what ``sweep.json`` holds.
        folder: the sweep's.

    Raises:
        InputError: no trial is done.
    """
    repeats = [folder / name for name in found["repeats"] if read_if_done(folder / name) is not None]
    numbers = dict.fromkeys(number for number in (found["best"], 0) if number is not None)
    runs = repeats or [path for number in numbers if read_if_done(path := folder / f"trial_{number:04d}") is not None]
    if not runs:
        raise InputError.of(
            str(folder), "is a sweep without a trial that is done", "go on with it: hw1cli sweep RECIPE"
        )
    return runs


def title(found: Mapping[str, Any]) -> str:
    """Of the page."""
    return f"{Path(found['recipe']).stem}: sweep of {len(found['trials'])} trials"


def verdicts(found: Mapping[str, Any]) -> list[Verdict]:
    """What a sweep found, in sentences."""
    trials, monitor, total = found["trials"], found["monitor"], found["settings"]["trials"]
    states = [trial["state"] for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    sentences = [Verdict("note" if len(trials) >= total else "warning", f"{len(trials)} of {total} trials: {counts}.")]
    if found["best"] is None:
        return sentences
    best, default = trials[found["best"]], trials[0]
    which = "The default values were" if best is default else f"Trial {best['number']} was"
    sentences.append(Verdict("good", f"{which} best: {monitor} {best['score']:.4f} with {_values(best)}."))
    if best is not default and default["score"] is not None:
        ended = "" if default["state"] == "done" else f", {default['state']} after epoch {default['epoch']}"
        text = f"The default values, trial 0, reached {default['score']:.4f}{ended}: {_values(default)}."
        sentences.append(Verdict("note", text))
    seconds = sum(trial["seconds"] or 0 for trial in trials)
    sentences.append(Verdict("note", f"The trials took {duration(seconds)} in all."))
    if found["importance"]:
        name, share = next(iter(found["importance"].items()))
        sentences.append(Verdict("note", f"What mattered most is {name} ({share:.0%} of the importance)."))
    if states.count("done") > 1:
        text = f"The best of {states.count('done')} scores is partly luck: other seeds, below, show what remains of it."
        sentences.append(Verdict("note", text))
    return sentences


def _values(trial: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in trial["values"].items())


def shown(value: Any) -> str:
    """A searched value for a reader: a number with three digits; nothing where a trial does not have it."""
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
