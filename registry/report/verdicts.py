"""The outcome in sentences, each with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..results.statistics import LEAST_SEEDS, Result, Setting
from ..results.tables import in_words
from .gather import Shown, Study, duration, setting_name

#: Standard errors of a 95 % range.
_NORMAL: Final = 1.96
#: A rise of the evaluation loss above its lowest, as a share of it, that counts as overfitting.
_RISE: Final = 0.05
#: A gap between mean probability and accuracy that is worth a word.
_GAP: Final = 0.02


class Verdict(NamedTuple):
    """A sentence.

    Attributes:
        kind: ``good``, ``note`` or ``warning``.
        text: the sentence.
        command: after it, to be copied.
    """

    kind: str
    text: str
    command: str = ""


def of_study(study: Study) -> list[Verdict]:
    """Which setting is best, and whether that is more than noise; of a single run, all that is known of it."""
    if len(study.runs) == 1:
        return of_run(study.runs[0])
    found = [verdict for table in study.comparison["scores"] for verdict in _ranking(study, table)]
    overfitted = [shown.name for shown in study.runs if any(each.kind == "warning" for each in _overfitting(shown))]
    if overfitted:
        counted = f"{len(overfitted)} of {len(study.runs)} runs"
        found.append(Verdict("warning", f"Overfitting in {counted}: {', '.join(overfitted)}."))
    elif any(map(_overfitting, study.runs)):
        found.append(Verdict("good", "No overfitting: no run's evaluation loss rose while its training loss fell."))
    unfinished = [shown.name for shown in study.runs if shown.run.summary["status"] != "done"]
    if unfinished:
        found.append(Verdict("warning", f"Not finished, and left out of the comparison: {', '.join(unfinished)}."))
    demos = [shown.name for shown in study.runs if shown.run.summary["demo"]]
    if demos:
        which = "All runs" if len(demos) == len(study.runs) else f"{len(demos)} of {len(study.runs)} runs"
        found.append(Verdict("warning", f"{which} used generated demo data: the scores say nothing about real data."))
    caveats = sum(len(shown.run.summary["caveats"]) for shown in study.runs)
    if caveats:
        found.append(Verdict("warning", f"The runs recorded {_count(caveats, 'caveat')}, listed with each run below."))
    seconds = [shown.run.summary["wall_seconds"] for shown in study.runs]
    each = f"{duration(min(seconds))} to {duration(max(seconds))} each"
    devices = ", ".join(dict.fromkeys(str(shown.run.summary["device"]) for shown in study.runs))
    found.append(Verdict("note", f"The {len(seconds)} runs took {duration(sum(seconds))}, {each}, on {devices}."))
    commands = {shown.command for shown in study.runs}
    which = "it" if len(commands) == 1 else f"{study.runs[0].name} (for the others see below)"
    return [*found, Verdict("note", f"To repeat {which}:", study.runs[0].command)]


def _ranking(study: Study, table: Mapping[str, Any]) -> Iterator[Verdict]:
    monitor, settings = table["monitor"], table["settings"]
    if len(settings) < 2:
        for each in settings if len(settings[0]["runs"]) > 1 else ():
            spread = f"standard deviation {each['spread']:.4f}"
            yield Verdict("good", f"Mean {monitor} of {setting_name(study, each)}: {each['mean']:.4f}, {spread}.")
            yield from _weakest_of(study, each)
        return
    names = {each["name"]: setting_name(study, each) for each in settings}
    best, second, *_ = sorted(settings, key=lambda each: rank(monitor, each["mean"]))
    yield Verdict(
        "good",
        f"Best {monitor} of {len(settings)} settings: {names[best['name']]} with {best['mean']:.4f}{_noise(best)}.",
    )
    gap = difference(table, best["name"], second["name"])
    ahead = f"{abs(gap['difference']):.4f} ahead of {names[second['name']]} ({second['mean']:.4f}{_noise(second)})"
    if gap["more_than_noise"]:
        yield Verdict("good", f"It is {ahead}, which is more than noise.")
    elif gap["more_than_noise"] is None:
        yield Verdict(
            "note",
            f"It is {ahead}. Whether other seeds would turn that around is unknown: "
            f"to see it takes {LEAST_SEEDS} seeds or folds of each setting.",
        )
    else:
        yield Verdict("note", f"It is {ahead}, which may be noise: take neither for the better one.")
    runs = {int(result["run"]) for each in settings for result in each["runs"]}
    for pair in study.comparison["paired"]:
        if pair["other"] in runs and len(settings) == len(runs):
            other, best_run = (study.runs[pair[key] - 1].name for key in ("other", "best"))
            chance = "what other images could give, not other seeds"
            yield Verdict("note", f"{other} beside {best_run}, last evaluation of each: {in_words(pair)}; {chance}.")
    worse = [
        names[each["name"]]
        for each in settings
        if each is not best and difference(table, best["name"], each["name"])["more_than_noise"]
    ]
    if worse and not gap["more_than_noise"]:
        yield Verdict("good", f"Worse than the best by more than noise: {', '.join(worse)}.")
    yield from _weakest_of(study, best)


def difference(table: Mapping[str, Any], one: str, other: str) -> Mapping[str, Any]:
    """The difference of two settings in a table of ``statistics.compare``."""
    return next(pair for pair in table["differences"] if {pair["one"], pair["other"]} == {one, other})


def rank(monitor: str, score: float) -> float:
    """A number that is lower for a better score: losses are better low, all others high."""
    return score if monitor.endswith("loss") else -score


def _noise(setting: Mapping[str, Any]) -> str:
    error = setting["standard_error"]
    return "" if error is None else f" ± {error:.4f}"


def of_run(shown: Shown) -> list[Verdict]:
    """What a run reached, how it got there, where it is weak, and what makes it less than it could be."""
    summary = shown.run.summary
    found = [
        *_status(summary),
        *_score(shown),
        *_course(shown),
        *_weakest(shown),
        *_confused(shown),
        *_calibration(shown),
    ]
    speed = summary["images_per_second"]
    at = "" if speed is None else f" at {speed:.1f} training images per second"
    found.append(Verdict("note", f"It took {duration(summary['wall_seconds'])}{at} on {summary['device']}."))
    found.append(Verdict("note", "To repeat it:", shown.command))
    found += [Verdict("warning", f"Caveat: {text}") for text in summary["caveats"]]
    return found + [Verdict("warning", f"Failed report: {text}") for text in summary["failures"]]


def _status(summary: Mapping[str, Any]) -> Iterator[Verdict]:
    if summary["status"] != "done":
        yield Verdict("warning", f"The run has not reached its end: its status is {summary['status']}.")
    if summary["demo"]:
        yield Verdict("warning", "Generated demo data: the scores say nothing about real data.")


def _score(shown: Shown) -> Iterator[Verdict]:
    run, summary = shown.run, shown.run.summary
    if run.score is None:
        yield Verdict("note", "Nothing was evaluated, so that there is a training loss only.")
        return
    images = summary["evaluation_images"]
    setting = Setting(shown.name, run.monitor, (Result(shown.name, run.score, images, summary["seed"]),))
    epoch = f"Best epoch {summary['best_epoch']} of {summary['epochs']}"
    text = f"{epoch}: {run.monitor} {run.score:.4f} on {_count(images, 'evaluation image')}"
    if error := setting.errors["images"]:
        low, high = max(run.score - _NORMAL * error, 0), min(run.score + _NORMAL * error, 1)
        text += f" (95 % range over the images: {low:.3f} to {high:.3f})"
    yield Verdict("good", f"{text}.")
    constant = summary["best"].get(f"constant/{run.monitor}")
    if constant is not None and run.score <= constant:
        yield Verdict("warning", f"That is no better than the best constant prediction ({constant:.4f}).")
    elif constant is not None:
        yield Verdict("good", f"The best constant prediction scores {constant:.4f}: the network has learned something.")


def _course(shown: Shown) -> Iterator[Verdict]:
    run, best = shown.run, shown.run.summary["best_epoch"]
    if run.score is not None and len(run.rows) > 1 and best == run.rows[-1]["epoch"]:
        yield Verdict("note", "The last epoch is the best one: more epochs may raise the score.")
    yield from _overfitting(shown)


def _overfitting(shown: Shown) -> list[Verdict]:
    """Whether the evaluation loss rose while the training loss fell; nothing where that is unknown."""
    rows = [row for row in shown.run.rows if math.isfinite(row.get("val_loss", math.nan))]
    if len(rows) < 2 or (lowest := min(rows, key=lambda row: row["val_loss"]))["val_loss"] <= 0:
        return []
    last, after = rows[-1], f"epoch {lowest['epoch']}"
    course = f"{lowest['val_loss']:.3f} to {last['val_loss']:.3f}"
    if last["val_loss"] > lowest["val_loss"] * (1 + _RISE) and last["train_loss"] < lowest["train_loss"]:
        fell = f"while the training loss fell to {last['train_loss']:.3f}"
        return [Verdict("warning", f"Overfitting after {after}: the evaluation loss rose from {course} {fell}.")]
    if lowest is last:
        return [Verdict("good", f"No overfitting: the evaluation loss was lowest in the last epoch, {after}.")]
    return [Verdict("good", f"No overfitting: after {after} the evaluation loss went from {course} only.")]


def _weakest_of(study: Study, setting: Mapping[str, Any]) -> Iterator[Verdict]:
    """The weakest class of a setting's best run."""
    best = min(setting["runs"], key=lambda each: rank(study.runs[int(each["run"]) - 1].run.monitor, each["score"]))
    shown = study.runs[int(best["run"]) - 1]
    yield from _weakest(shown, f"In {shown.name} the")


def _weakest(shown: Shown, the: str = "The") -> Iterator[Verdict]:
    if (table := shown.parts.get("classes")) and len(table["names"]) > 1:
        heading, values = next(iter(table["columns"].items()))
        known = [(value, name) for value, name in zip(values, table["names"], strict=True) if value is not None]
        if known:
            value, name = min(known, key=lambda each: each[0])
            yield Verdict("note", f"{the} weakest of {len(known)} classes is {name}: {heading} {value:.3f}.")


def _confused(shown: Shown) -> Iterator[Verdict]:
    if matrix := shown.parts.get("confusion"):
        names, counts = matrix["names"], matrix["counts"]
        pairs = [(counts[t][p], t, p) for t in range(len(names)) for p in range(len(names)) if t != p]
        count, truth, predicted = max(pairs, default=(0, 0, 0))
        if count:
            share = count / sum(counts[truth])
            yield Verdict(
                "note",
                f"Most often confused: {names[truth]}, taken for {names[predicted]} in {_count(count, matrix['unit'])} "
                f"({share:.0%} of that class).",
            )


def _calibration(shown: Shown) -> Iterator[Verdict]:
    if found := shown.parts.get("calibration"):
        gap, ece = found["confidence"] - found["accuracy"], found["ece"]
        how = "overconfident" if gap > _GAP else "underconfident" if gap < -_GAP else "as confident as it is right"
        yield Verdict(
            "note" if abs(gap) <= _GAP else "warning",
            f"Calibration: {how}: mean probability {found['confidence']:.3f}, accuracy "
            f"{found['accuracy']:.3f}, ECE {ece:.3f}.",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
