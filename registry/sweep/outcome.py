"""What a sweep has found so far, as plain data: its history, and the best recipe beside the default one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from .. import files
from ..recipe.dump import dump
from ..results import statistics
from ..results.runs import read_if_done
from ..results.statistics import Setting
from .trials import Trials, state_of

#: Trials trained to the end from which the importance of the searched values is estimated.
_LEAST: Final = 5


def outcome(trials: Trials) -> dict[str, Any]:
    """What ``sweep.json`` holds.

    Returns:
        ``recipe``, ``monitor`` (None before the first evaluation), ``higher_is_better``, ``settings``, ``spaces``
        (name, search, default, low, high, options: labels), ``trials`` (number, state: ``done``, ``pruned``, ``failed``
        or ``running``, values by the names of spaces, score: of its best epoch, or of the last one of a trial that is
        not done, epoch, epochs, seconds, curve: pairs of epoch and score, reason), ``best`` (a trial's number),
        ``importance`` (name -> share of what separates good trials from the others, 0 to 1), ``repeats`` (names of
        all), ``failures`` (name -> reason) and ``comparison`` of ``statistics.compare``, of the repeats that are done.
    """
    monitor, best, names = trials.study.user_attrs.get("monitor"), trials.best(), trials.repeats()
    number = None if best is None else best.number
    found: dict[str, list[statistics.Result]] = {}
    for name, (trial, _) in names.items():
        done = read_if_done(trials.folder / name)
        if done is not None and (result := done.result(name)) is not None:
            word = "best" if trial.number == number else "default"
            found.setdefault(f"{word} (trial {trial.number})", []).append(result)
    compared = [Setting(name, str(monitor), tuple(results)) for name, results in found.items()]
    return {
        "recipe": str(trials.recipe.path),
        "monitor": monitor,
        "higher_is_better": trials.sign > 0,
        "settings": vars(trials.settings),
        "spaces": [
            {
                **{key: getattr(space, key) for key in ("name", "search", "default", "low", "high")},
                "options": list(space.options),
            }
            for space in trials.recipe.spaces.values()
        ],
        "trials": [_row(trial, trials.sign) for trial in trials.all() if trial.state != TrialState.WAITING],
        "best": number,
        "importance": _importance(trials.study),
        "repeats": list(names),
        "failures": trials.failures,
        "comparison": statistics.compare(compared) if compared else None,
    }


def _row(trial: FrozenTrial, sign: int) -> dict[str, Any]:
    curve = [[epoch, sign * score] for epoch, score in sorted(trial.intermediate_values.items())]
    complete = trial.state == TrialState.COMPLETE and trial.value is not None
    return {
        "number": trial.number,
        "state": state_of(trial),
        "values": dict(trial.params),
        "score": sign * trial.value if complete and trial.value is not None else curve[-1][1] if curve else None,
        "epoch": trial.user_attrs.get("best_epoch") if complete else curve[-1][0] if curve else None,
        "epochs": trial.user_attrs.get("epochs"),
        "seconds": trial.user_attrs.get("seconds"),
        "curve": curve,
        "reason": trial.user_attrs.get("reason"),
    }


def _importance(study: optuna.Study) -> dict[str, float]:
    """How much each searched value matters (PED-ANOVA; Watanabe et al., 2023); nothing where that is unknown."""
    complete = [each for each in study.get_trials(deepcopy=False) if each.state == TrialState.COMPLETE]
    if len(complete) < _LEAST or len({each.value for each in complete}) == 1:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():  # that it is inaccurate with few trials, in every call
        warnings.simplefilter("ignore", UserWarning)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def write(trials: Trials, found: dict[str, Any]) -> Path | None:
    """Write ``sweep.json``, and ``best.yaml`` as soon as a trial is done: the path of that."""
    files.write_json(trials.folder / "sweep.json", found)
    best = trials.best()
    if best is None:
        return None
    row, path = found["trials"][best.number], trials.folder / "best.yaml"
    about = (
        f"# The best of {len(found['trials'])} trials of {found['recipe']}: trial {best.number}, "
        f"{found['monitor']} {row['score']:.4f}.\n"
    )
    text = about + dump(trials.recipe_of(best).root.plain())
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        files.write_text(path, text)
    return path
